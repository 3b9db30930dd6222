// Texts as vectors: how alike they are, and where they lie.

import { request } from "../api.js";
import { copyButton } from "../clipboard.js";
import { copyMenu } from "../copy_menu.js";
import { el, field } from "../dom.js";
import { extremes, heatMap, number } from "../heat_map.js";
import { t } from "../i18n.js";
import { missingModel, modelSelect } from "../models.js";
import { projection } from "../projection.js";
import { elapsed, figures, linesOf, numberOf, sends } from "../request_form.js";
import { cosines, decodeVector, project } from "../vectors.js";

export const id = "embeddings";
export const titleKey = "embeddings.title";

// More would make a table that nobody reads, and take long to lay out.
const MOST_SHOWN = 60;
const FIRST_NUMBERS = 6;
const SAMPLE = [
  "The cat sleeps on the sofa.",
  "A kitten is napping on the couch.",
  "Dogs love long walks in the park.",
  "Shares fell sharply on Monday.",
  "The stock market lost a tenth of its value.",
  "How do I bake bread at home?",
];

export function mount(container, context) {
  const controls = {
    model: modelSelect("embed"),
    input: el("textarea", { rows: "9", required: true, value: SAMPLE.join("\n") }),
    dimensions: el("input", { type: "number", min: "1", step: "1", "t:placeholder": "app.default" }),
    encoding_format: el("select", { class: "select" },
      el("option", { value: "float", t: "embeddings.float" }),
      el("option", { value: "base64", t: "embeddings.base64" })),
  };
  const getRequest = () => ({ path: "v1/embeddings", body: bodyOf(controls) });
  const form = formOf(controls, getRequest);
  const empty = el("p", { class: "card hint", t: "embeddings.empty" });
  const output = el("div", { class: "stack results", id: "embeddings-results" }, empty);
  sends(form, output, controls, (signal) => answer(getRequest(), signal, context));
  container.append(el("div", { class: "encoder" }, form, output));
}

function formOf(controls, getRequest) {
  const send = el("button", { type: "submit", class: "button primary", t: "embeddings.send" });
  return el("form", { class: "card stack", novalidate: true, "t:aria-label": "embeddings.title" },
    field("app.model", controls.model), missingModel(controls.model, send, "embeddings.no_model"),
    field("embeddings.input", controls.input, "embeddings.input_hint"),
    el("div", { class: "pair" },
      field("embeddings.dimensions", controls.dimensions), field("embeddings.encoding", controls.encoding_format)),
    el("div", { class: "row" }, send, copyMenu(getRequest)));
}

function bodyOf(controls) {
  return {
    model: controls.model.value,
    input: linesOf(controls.input),
    dimensions: numberOf(controls.dimensions),
    encoding_format: controls.encoding_format.value,
  };
}

async function answer({ path, body }, signal, context) {
  const begin = performance.now();
  const { data, usage } = await request(path, { method: "POST", body, signal });
  const time = elapsed(begin);
  const vectors = data.map((item) => decodeVector(item.embedding));
  context.announce(t("embeddings.done", { n: vectors.length, dimensions: vectors[0].length }));
  return [
    summary(vectors, usage, time),
    ...pictures(vectors.slice(0, MOST_SHOWN), body.input.slice(0, MOST_SHOWN), vectors.length),
    numbers(vectors, body.input),
  ];
}

function summary(vectors, usage, time) {
  return figures([
    ["embeddings.vectors", String(vectors.length)],
    ["embeddings.dimensions", String(vectors[0].length)],
    ["embeddings.tokens", String(usage.prompt_tokens)],
    ["embeddings.time", time],
  ]);
}

function pictures(vectors, texts, count) {
  if (vectors.length < 2) return [el("p", { class: "card hint", t: "embeddings.one" })];
  const matrix = cosines(vectors);
  const { points, shares } = project(vectors);
  const [x, y] = shares.map((share) => Math.round(share * 100));
  return [
    count > vectors.length && el("p", { class: "hint", t: ["embeddings.cut", { n: vectors.length, count }] }),
    el("section", { class: "card stack" },
      el("h2", { t: "embeddings.matrix" }), heatMap(matrix, texts),
      el("ol", { class: "heat-legend", "aria-hidden": "true" }, texts.map((text) => el("li", {}, text))),
      sentences(matrix)),
    el("section", { class: "card stack" },
      el("h2", { t: "embeddings.projection" }), projection(points, texts),
      el("p", { class: "hint", t: ["embeddings.shares", { x, y }] })),
  ];
}

function sentences(matrix) {
  const { most, least } = extremes(matrix);
  const values = { a: most.a, b: most.b, high: number(most.value), c: least.a, d: least.b, low: number(least.value) };
  return el("p", { class: "hint", t: [matrix.length > 2 ? "embeddings.extremes" : "embeddings.pair", values] });
}

function numbers(vectors, texts) {
  const rows = vectors.slice(0, MOST_SHOWN).map((vector, index) => el("tr", {},
    el("th", { scope: "row", title: texts[index] }, String(index + 1)),
    el("td", { class: "mono" }, `${vector.slice(0, FIRST_NUMBERS).map((value) => value.toFixed(5)).join(", ")}, …`)));
  return el("details", { class: "card" },
    el("summary", { t: "embeddings.numbers" }),
    el("div", { class: "stack" },
      el("div", { class: "scroller", tabindex: "0", role: "region", "t:aria-label": "embeddings.numbers" },
        el("table", { class: "table" }, el("tbody", {}, rows))),
      el("div", { class: "row" }, copyButton(() => JSON.stringify(vectors), "embeddings.copy"))));
}
