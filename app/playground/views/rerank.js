// Documents in the order in which they answer a query.

import { request } from "../api.js";
import { copyMenu } from "../copy_menu.js";
import { el, field } from "../dom.js";
import { t } from "../i18n.js";
import { missingModel, modelSelect } from "../models.js";
import { elapsed, figures, linesOf, numberOf, sends } from "../request_form.js";

export const id = "rerank";
export const titleKey = "rerank.title";

// Beside them, in words for those who hear it: `rerank.moved_up` and so on.
const MARKS = { up: "▲", down: "▼", same: "–" };
const QUERY = "How many days of paid holiday do employees have?";
const SAMPLE = [
  "Article 1: Wages are paid at the end of each month.",
  "Article 2: The working day begins at nine.",
  "Article 3: The contract may be ended with three months of notice.",
  "Article 4: Employees have 25 days of paid holiday a year.",
  "Article 5: Whoever is ill tells the office on the first day.",
];

export function mount(container, context) {
  const controls = {
    model: modelSelect("rerank"),
    query: el("input", { type: "text", required: true, value: QUERY }),
    documents: el("textarea", { rows: "9", required: true, value: SAMPLE.join("\n") }),
    top_n: el("input", { type: "number", min: "1", step: "1", "t:placeholder": "rerank.all" }),
  };
  const getRequest = () => ({ path: "v1/rerank", body: bodyOf(controls) });
  const form = formOf(controls, getRequest);
  const empty = el("p", { class: "card hint", t: "rerank.empty" });
  const output = el("div", { class: "stack results", id: "rerank-results" }, empty);
  sends(form, output, controls, (signal) => answer(getRequest(), signal, context));
  container.append(el("div", { class: "encoder" }, form, output));
}

function formOf(controls, getRequest) {
  const send = el("button", { type: "submit", class: "button primary", t: "rerank.send" });
  return el("form", { class: "card stack", novalidate: true, "t:aria-label": "rerank.title" },
    field("app.model", controls.model), missingModel(controls.model, send, "rerank.no_model"),
    field("rerank.query", controls.query),
    field("rerank.documents", controls.documents, "rerank.documents_hint"),
    el("div", { class: "pair" }, field("rerank.top_n", controls.top_n)),
    el("div", { class: "row" }, send, copyMenu(getRequest)));
}

function bodyOf(controls) {
  return {
    model: controls.model.value,
    query: controls.query.value,
    documents: linesOf(controls.documents),
    top_n: numberOf(controls.top_n),
  };
}

async function answer({ path, body }, signal, context) {
  const begin = performance.now();
  const { results, usage } = await request(path, { method: "POST", body, signal });
  const time = elapsed(begin);
  context.announce(t("rerank.done", { n: results.length, count: body.documents.length }));
  return [
    figures([
      ["rerank.documents", String(body.documents.length)],
      ["rerank.shown", String(results.length)],
      ["rerank.tokens", String(usage.total_tokens)],
      ["rerank.time", time],
    ]),
    ranking(results, body.documents),
  ];
}

function ranking(results, documents) {
  const scale = scaleOf(results.map((result) => result.relevance_score));
  const heads = ["rerank.rank", "rerank.change", "rerank.score", "rerank.document"];
  return el("section", { class: "card stack" },
    el("h2", { t: "rerank.order" }),
    el("table", { class: "table ranking" },
      el("caption", { class: "offscreen", t: "rerank.order" }),
      el("thead", {}, el("tr", {}, heads.map((key) => el("th", { scope: "col", t: key })))),
      el("tbody", {}, results.map((result, place) => line(result, place, documents, scale)))),
    el("p", { class: "hint", t: scale.key }));
}

/** How long a score's bar is, 0 to 1; scores that are no probabilities are compared with each other. */
function scaleOf(scores) {
  const [lowest, highest] = [Math.min(...scores), Math.max(...scores)];
  if (lowest >= 0 && highest <= 1) return { key: "rerank.scale_share", of: (score) => score };
  return { key: "rerank.scale_range", of: (score) => (score - lowest) / (highest - lowest || 1) };
}

function line({ index, relevance_score: score }, place, documents, scale) {
  return el("tr", {},
    el("td", { class: "rank" }, String(place + 1)),
    el("td", { class: "change" }, change(index - place, index)),
    el("td", { class: "score" },
      el("span", { class: "bar", "aria-hidden": "true" },
        el("span", { class: "bar-fill", style: { width: `${(scale.of(score) * 100).toFixed(1)}%` } })),
      el("span", { class: "number" }, score.toFixed(4).replace("-", "−"))),
    el("td", { class: "document" }, documents[index]));
}

function change(steps, index) {
  const kind = steps > 0 ? "up" : steps < 0 ? "down" : "same";
  const values = { n: Math.abs(steps), was: index + 1 };
  return el("span", { class: `moved ${kind}` },
    el("span", { "aria-hidden": "true" }, MARKS[kind], steps === 0 ? "" : ` ${values.n}`),
    el("span", { class: "offscreen", t: [`rerank.moved_${kind}`, values] }));
}
