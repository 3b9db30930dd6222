// A matrix of cosines as a table: each cell has its number, and a colour for the eye.

import { el } from "./dom.js";

/** `matrix` is square; `texts` are the names of its rows and columns. */
export function heatMap(matrix, texts) {
  return el("div", { class: "scroller", tabindex: "0", role: "region", "t:aria-label": "embeddings.matrix" },
    el("table", { class: "heat" },
      el("caption", { class: "offscreen", t: "embeddings.matrix_caption" }),
      el("thead", {}, el("tr", {}, el("th", { scope: "col", t: "embeddings.text" }), texts.map(columnHead))),
      el("tbody", {}, matrix.map((row, index) => line(row, texts, index)))));
}

function columnHead(text, index) {
  return el("th", { scope: "col", title: text, "aria-label": `${index + 1}: ${text}` }, String(index + 1));
}

function line(row, texts, index) {
  const head = el("th", { scope: "row", title: texts[index] },
    el("span", { class: "number" }, String(index + 1)), el("span", { class: "words" }, texts[index]));
  return el("tr", {}, head, row.map((value, column) => cell(value, column === index)));
}

function cell(value, isSame) {
  const strength = `${Math.round(Math.abs(value) * 100)}%`;
  const kind = value < 0 ? "opposite" : "alike";
  return el("td", { class: isSame ? `${kind} same` : kind, style: { "--strength": strength } }, number(value));
}

/** Two digits, with a true minus. */
export function number(value) {
  // No "-0.00".
  const text = value.toFixed(2);
  return Number(text) === 0 ? "0.00" : text.replace("-", "−");
}

/** The pairs of different texts with the highest and the lowest cosine, counted from 1. */
export function extremes(matrix) {
  const pairs = matrix.flatMap((row, a) =>
    row.slice(a + 1).map((value, step) => ({ a: a + 1, b: a + 2 + step, value })));
  pairs.sort((one, other) => other.value - one.value);
  return { most: pairs[0], least: pairs.at(-1) };
}
