// The tables of the status view.

import { el } from "./dom.js";

const NONE = "–";

/** A whole number, or a dash where the server does not give it. */
export function count(value) {
  return value == null ? NONE : String(Math.round(value));
}

/** A number each second. */
export function rate(value) {
  if (value == null) return NONE;
  return value >= 100 || value === 0 ? String(Math.round(value)) : value.toFixed(1);
}

function seconds(value) {
  if (value == null) return NONE;
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(2)} s`;
}

/** One row for each model; `report` is that of /readyz, `figures` and `rates` may be null. */
export function modelsTable(report, known, figures, rates) {
  const heads = ["name", "task", "state", "tritons"];
  const numbers = ["running", "waiting", "out", "in", "first", "cancelled"];
  const described = new Map(known.map((model) => [model.id, model]));
  const rows = Object.entries(report.models ?? {}).map(([name, state]) => {
    const rateOf = (read) => rates.of((all) => read(all.models(name)));
    return modelRow(name, state, described.get(name), figures?.models(name), rateOf);
  });
  return table("status.models", textHeads(heads), numberHeads(numbers), rows);
}

function modelRow(name, state, model, figures, rateOf) {
  const numbers = [
    count(figures?.running), count(figures?.waiting),
    rate(rateOf((own) => own.completionTokens)), rate(rateOf((own) => own.promptTokens)),
    seconds(figures?.firstToken), count(figures?.cancelled),
  ];
  return el("tr", {},
    el("th", { scope: "row", class: "model-name" }, name),
    el("td", {}, model ? el("span", { t: `status.task_${model.task}` }) : NONE),
    el("td", {}, badge(state.ready), state.cause && el("p", { class: "cause" }, state.cause)),
    el("td", {}, tritons(state.tritons, figures?.leftAlone ?? [])),
    numbers.map((number) => el("td", { class: "amount" }, number)));
}

function badge(isReady) {
  return el("span", { class: `badge ${isReady ? "ok" : "bad"}` },
    el("span", { "aria-hidden": "true" }, isReady ? "● " : "✕ "),
    el("span", { t: isReady ? "status.ready" : "status.not_ready" }));
}

function tritons({ ready, total }, leftAlone) {
  return [
    el("span", { t: ["status.ready_of", { ready, total }] }),
    leftAlone.length > 0 && el("p", { class: "cause", t: ["status.left_alone", { which: leftAlone.join(", ") }] }),
  ];
}

/** Failures of Triton by model and kind. */
export function errorsTable(errors) {
  if (errors.length === 0) return el("p", { class: "hint", t: "status.no_errors" });
  const rows = errors.map(({ model, kind, count: number }) => el("tr", {},
    el("th", { scope: "row" }, model),
    el("td", {}, el("code", {}, kind)),
    el("td", { class: "amount" }, count(number))));
  return table("status.errors", textHeads(["name", "kind"]), numberHeads(["count"]), rows);
}

/** Requests by route, with a column for each status. */
export function requestsTable({ codes, rows }) {
  if (rows.length === 0) return el("p", { class: "hint", t: "status.no_requests" });
  const lines = rows.map(({ route, counts }) => el("tr", {},
    el("th", { scope: "row" }, route ? el("code", {}, route) : el("span", { t: "status.other_route" })),
    codes.map((code) => el("td", { class: "amount" }, counts.has(code) ? count(counts.get(code)) : ""))));
  const codeHeads = codes.map((code) => el("th", { scope: "col", class: "amount" }, code));
  return table("status.requests", textHeads(["route"]), codeHeads, lines);
}

function textHeads(names) {
  return names.map((name) => el("th", { scope: "col", t: `status.${name}` }));
}

function numberHeads(names) {
  return names.map((name) => el("th", { scope: "col", class: "amount", t: `status.${name}` }));
}

function table(captionKey, heads, figureHeads, rows) {
  return el("div", { class: "scroller", tabindex: "0", role: "region", "t:aria-label": captionKey },
    el("table", { class: "table" },
      el("caption", { class: "offscreen", t: captionKey }),
      el("thead", {}, el("tr", {}, heads, figureHeads)),
      el("tbody", {}, rows)));
}
