// The inside of a Markdown paragraph as a tree: strings, and {type, children?, text?, href?}.
// What is not closed is text, as it is while an answer is still coming.

const MARKS = { "***": "both", "**": "strong", __: "strong", "~~": "strike", "*": "em", _: "em" };
// Bounded, so that what only looks like many addresses costs no time.
const LINK = /\bhttps?:\/\/[^\s<>"'`，。；：！？）》】]{1,2000}/y;
const ANGLE = /<([^\s<>]{1,2000})>/y;
// A label has no other label in it, so each text between two brackets is read once.
const LABEL = /\[([^[\n]*)/y;
const DESTINATION = /(\s*<?https?:(?:[^)\\]|\\[^]){0,2000})\)/iy;
// Where something may begin; what is between is text.
const BEGIN = /[\\\n`*_~[!<]|https?:\/\//g;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}]/u;
const MAX_DEPTH = 8;

export function parseInline(text, depth = 0) {
  return new Inline(text, depth).parse();
}

/** The address if it may be linked to: http and https alone. */
export function safeHref(address) {
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

class Inline {
  constructor(text, depth) {
    Object.assign(this, { text, depth, at: 0, plain: "", out: [], hopeless: new Set() });
  }

  parse() {
    while (this.at < this.text.length) {
      this.skip();
      if (this.at < this.text.length && !STEPS[this.text[this.at]].call(this)) this.plain += this.text[this.at++];
    }
    this.flush();
    return this.out;
  }

  skip() {
    BEGIN.lastIndex = this.at;
    const end = BEGIN.exec(this.text)?.index ?? this.text.length;
    this.plain += this.text.slice(this.at, end);
    this.at = end;
  }

  flush() {
    if (this.plain) this.out.push(this.plain);
    this.plain = "";
  }

  /** A node that ends before `end`. */
  add(node, end) {
    this.flush();
    this.out.push(node);
    this.at = end;
    return true;
  }

  inner(text) {
    return this.depth < MAX_DEPTH ? parseInline(text, this.depth + 1) : [text];
  }

  escape() {
    const next = this.text[this.at + 1];
    if (next === "\n") return this.add({ type: "break" }, this.at + 2);
    if (!next || !PUNCTUATION.test(next)) return false;
    this.plain += next;
    this.at += 2;
    return true;
  }

  lineBreak() {
    this.plain = this.plain.trimEnd();
    return this.add({ type: "break" }, this.at + 1);
  }

  code() {
    const ticks = /`+/y;
    ticks.lastIndex = this.at;
    const fence = ticks.exec(this.text)[0];
    const end = this.find(
      fence,
      this.at + fence.length,
      (at) => this.text[at - 1] !== "`" && this.text[at + fence.length] !== "`",
    );
    if (end < 0) {
      this.plain += fence;
      this.at += fence.length;
      return true;
    }
    const text = this.text.slice(this.at + fence.length, end).replace(/\n/g, " ");
    const isPadded = text.startsWith(" ") && text.endsWith(" ") && text.trim() !== "";
    return this.add({ type: "code", text: isPadded ? text.slice(1, -1) : text }, end + fence.length);
  }

  emphasis() {
    const mark = Object.keys(MARKS).find((each) => this.text.startsWith(each, this.at));
    const start = this.at + (mark?.length ?? 0);
    if (!mark || !this.text[start] || /\s/.test(this.text[start])) return false;
    const isWordy = mark[0] === "_";
    if (isWordy && WORD.test(this.text[this.at - 1] ?? "")) return false;
    const end = this.find(mark, start + 1, (at) => this.closes(mark, at));
    if (end < 0) return this.unclosed(mark);
    const children = this.inner(this.text.slice(start, end));
    const node =
      mark === "***" ? { type: "strong", children: [{ type: "em", children }] } : { type: MARKS[mark], children };
    return this.add(node, end + mark.length);
  }

  closes(mark, at) {
    const after = this.text[at + mark.length] ?? "";
    if (/\s/.test(this.text[at - 1])) return false;
    if (mark.length === 1 && (after === mark || this.text[at - 1] === mark)) return false;
    return mark[0] !== "_" || !WORD.test(after);
  }

  unclosed(mark) {
    this.plain += mark;
    this.at += mark.length;
    return true;
  }

  /** Where `mark` ends, from `from` on; -1 if nowhere, and then it is not looked for again. */
  find(mark, from, isEnd) {
    if (this.hopeless.has(mark)) return -1;
    for (let at = this.text.indexOf(mark, from); at >= 0; at = this.text.indexOf(mark, at + 1)) {
      if (this.text[at - 1] !== "\\" && isEnd(at)) return at;
    }
    this.hopeless.add(mark);
    return -1;
  }

  /** What a sticky pattern finds at `at`; null if nothing. */
  matched(pattern, at = this.at) {
    pattern.lastIndex = at;
    return pattern.exec(this.text);
  }

  link() {
    const label = /^(.*?(?<!\\))\]\(/s.exec(this.matched(LABEL)?.[1] ?? "")?.[1];
    if (label === undefined) return false;
    const found = this.matched(DESTINATION, this.at + label.length + "[](".length);
    // A title behind the address is not shown.
    const href = found && safeHref(found[1].trim().split(/\s/)[0].replace(/^<|>$/g, ""));
    if (!href) return false;
    const end = DESTINATION.lastIndex;
    return this.add({ type: "link", href, children: this.inner(label) }, end);
  }

  image() {
    // Nothing is fetched from elsewhere: an image is a link to it.
    if (this.text[this.at + 1] !== "[") return false;
    this.at += 1;
    if (this.link()) return true;
    this.at -= 1;
    return false;
  }

  angle() {
    const address = this.matched(ANGLE)?.[1];
    const href = address ? safeHref(address) : null;
    return href !== null && this.add({ type: "link", href, children: [address] }, ANGLE.lastIndex);
  }

  address() {
    const found = this.matched(LINK)?.[0].replace(/[.,;:!?*_~)\]]+$/, "");
    const href = found ? safeHref(found) : null;
    return href !== null && this.add({ type: "link", href, children: [found] }, this.at + found.length);
  }
}

const STEPS = {
  "\\": Inline.prototype.escape,
  "\n": Inline.prototype.lineBreak,
  "`": Inline.prototype.code,
  "*": Inline.prototype.emphasis,
  _: Inline.prototype.emphasis,
  "~": Inline.prototype.emphasis,
  "[": Inline.prototype.link,
  "!": Inline.prototype.image,
  "<": Inline.prototype.angle,
  h: Inline.prototype.address,
};
