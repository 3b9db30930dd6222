// Markdown as elements, made one by one: no text of a model is ever read as HTML.

import { copyButton } from "./clipboard.js";
import { el } from "./dom.js";
import { parseBlocks } from "./markdown_blocks.js";
import { parseInline } from "./markdown_inline.js";

const MAX_DEPTH = 8;
// The page and the view have the headings above these.
const FIRST_HEADING = 3;

/** The elements of a whole text. */
export function markdown(text, depth = 0) {
  return parseBlocks(text).map((block) => blockElement(block, depth));
}

export function blockElement(block, depth = 0) {
  return BLOCKS[block.type](block, depth);
}

const BLOCKS = {
  paragraph: ({ text }) => el("p", {}, inline(text)),
  heading: ({ level, text }) =>
    el(`h${Math.min(FIRST_HEADING + level - 1, 6)}`, { class: `heading-${level}` }, inline(text)),
  rule: () => el("hr"),
  quote: ({ text }, depth) => el("blockquote", {}, inside(text, depth)),
  code: codeElement,
  list: listElement,
  table: tableElement,
};

function inside(text, depth) {
  return depth < MAX_DEPTH ? markdown(text, depth + 1) : text;
}

function codeElement({ language, text }) {
  const code = el("code", {}, document.createTextNode(text));
  return el(
    "div",
    { class: "code" },
    el(
      "div",
      { class: "code-head" },
      el("span", {}, language || ""),
      copyButton(() => code.textContent),
    ),
    el("pre", { tabindex: "0" }, code),
  );
}

function listElement({ isOrdered, start, items }, depth) {
  const children = items.map((text) => itemElement(text, depth));
  return el(isOrdered ? "ol" : "ul", { start: isOrdered && start !== 1 ? start : null }, children);
}

export function itemElement(text, depth = 0) {
  return el("li", {}, itemContent(text, depth));
}

function itemContent(text, depth) {
  if (depth >= MAX_DEPTH) return text;
  const blocks = parseBlocks(text);
  // A lone first paragraph stands beside the marker, without a paragraph's margins.
  return blocks.map((block, at) =>
    at === 0 && block.type === "paragraph"
      ? el("span", { class: "item-text" }, inline(block.text))
      : blockElement(block, depth + 1),
  );
}

function tableElement({ align, head, rows }) {
  const body = rows.map((row) => rowElement(row, align));
  return el(
    "div",
    { class: "table-scroll", tabindex: "0" },
    el("table", { class: "table" }, el("thead", {}, rowElement(head, align, "th")), el("tbody", {}, body)),
  );
}

export function rowElement(cells, align, tag = "td") {
  const scope = tag === "th" ? "col" : null;
  const place = (column) => (align[column] ? `align-${align[column]}` : null);
  const children = cells.map((text, column) => el(tag, { class: place(column), scope }, inline(text)));
  return el("tr", {}, children);
}

function inline(text) {
  return parseInline(text).map(inlineNode);
}

export function inlineNode(node) {
  return typeof node === "string" ? node : INLINES[node.type](node);
}

const INLINES = {
  break: () => el("br"),
  code: ({ text }) => el("code", {}, text),
  strong: ({ children }) => el("strong", {}, children.map(inlineNode)),
  em: ({ children }) => el("em", {}, children.map(inlineNode)),
  strike: ({ children }) => el("s", {}, children.map(inlineNode)),
  link: ({ href, children }) =>
    el("a", { href, rel: "noopener noreferrer nofollow", target: "_blank" }, children.map(inlineNode)),
};
