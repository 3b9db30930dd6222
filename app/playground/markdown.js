// A Markdown text that grows, piece by piece, as elements.

import { el } from "./dom.js";
import { parseBlocks } from "./markdown_blocks.js";
import { blockElement, inlineNode, itemElement, rowElement } from "./markdown_elements.js";
import { parseInline } from "./markdown_inline.js";

/** Blocks that are complete stay as they are; of the last one only what is new is made. */
export class MarkdownView {
  #text = "";
  // What is not complete: its text, its blocks as `{block, element}`, and the element around them.
  #rest = "";
  #drafts = [];
  #open = el("div", { class: "open-block" });

  constructor() {
    this.element = el("div", { class: "markdown" }, this.#open);
  }

  get text() {
    return this.#text;
  }

  append(piece) {
    if (!piece) return;
    this.#text += piece;
    this.#rest += piece;
    const blocks = parseBlocks(this.#rest);
    this.#draw(blocks);
    this.#settle(blocks);
  }

  #draw(blocks) {
    blocks.forEach((block, at) => (this.#drafts[at] = this.#drawn(block, this.#drafts[at])));
    for (const { element } of this.#drafts.splice(blocks.length)) element.remove();
  }

  #drawn(block, old) {
    if (old && grow(old, block)) return { block, element: old.element };
    const element = blockElement(block);
    if (old) old.element.replaceWith(element);
    else this.#open.append(element);
    return { block, element };
  }

  /** The last block may go on, and a line that is not complete may still belong to the one above. */
  #settle(blocks) {
    const lines = this.#rest.split("\n");
    const isCertain = blocks.length > 0 && lastOfBeginning(blocks.at(-1)) < lines.length - 1;
    const numDone = Math.max(blocks.length - (isCertain ? 1 : 2), 0);
    if (!numDone) return;
    this.#open.before(...this.#drafts.splice(0, numDone).map((draft) => draft.element));
    this.#rest = lines.slice(blocks[numDone].line).join("\n");
  }
}

/** The line that makes the block what it is: a table is one by its second. */
function lastOfBeginning({ type, line }) {
  return type === "table" ? line + 1 : line;
}

/** Turn the element of `old.block` into that of `block`; false if it must be made anew. */
function grow(old, block) {
  return old.block.type === block.type && Boolean(GROWTH[block.type]?.(old.element, old.block, block));
}

const GROWTH = {
  rule: () => true,
  paragraph: growText,
  heading: (element, old, { level, text }) => old.level === level && old.text === text,
  quote: (element, old, { text }) => old.text === text,
  code: growCode,
  list: growList,
  table: growTable,
};

// Behind the first, the others mean nothing but themselves; a full stop may be within an address.
const PLAIN = /^[\p{L}\p{N} ][\p{L}\p{N} ,.;?'"]*$/u;

function growText(element, old, block) {
  if (!block.text.startsWith(old.text)) return false;
  const added = block.text.slice(old.text.length);
  const before = old.inline ?? parseInline(old.text);
  if (typeof before.at(-1) === "string" && PLAIN.test(old.text.at(-1) + added)) {
    element.lastChild.appendData(added);
    block.inline = [...before.slice(0, -1), before.at(-1) + added];
  } else growInline(element, (block.inline = parseInline(block.text)), before);
  return true;
}

/** Each value of `inline` is one child of the element; those that were there before are kept. */
function growInline(element, inline, before) {
  const same = before.findIndex((node, at) => JSON.stringify(node) !== JSON.stringify(inline[at]));
  const kept = same < 0 ? before.length : same;
  while (element.childNodes.length > kept) element.lastChild.remove();
  element.append(...inline.slice(kept).map(inlineNode));
}

function growCode(element, old, { language, text }) {
  const shown = element.querySelector("code").firstChild;
  if (old.language !== language || !text.startsWith(old.text)) return false;
  shown.appendData(text.slice(old.text.length));
  return true;
}

function growList(element, old, { isOrdered, start, items }) {
  if (old.isOrdered !== isOrdered || old.start !== start) return false;
  const same = numSame(old.items, items);
  replaceFrom(
    element,
    same,
    items.slice(same).map((text) => itemElement(text)),
  );
  return true;
}

function growTable(element, old, { align, head, rows }) {
  if (String([old.align, old.head]) !== String([align, head])) return false;
  const same = numSame(old.rows.map(String), rows.map(String));
  replaceFrom(
    element.querySelector("tbody"),
    same,
    rows.slice(same).map((row) => rowElement(row, align)),
  );
  return true;
}

/** How many of the first values are the same. */
function numSame(one, other) {
  const end = one.findIndex((value, at) => value !== other[at]);
  return end < 0 ? one.length : end;
}

function replaceFrom(element, at, children) {
  while (element.children.length > at) element.lastChild.remove();
  element.append(...children);
}
