// Markdown's blocks and their insides, as values.

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseBlocks } from "../../../app/playground/markdown_blocks.js";
import { parseInline, safeHref } from "../../../app/playground/markdown_inline.js";

const types = (text) => parseBlocks(text).map((block) => block.type);
const link = (href, ...children) => ({ type: "link", href, children });

test("blocks that follow each other with and without empty lines", () => {
  const text = "# Title\npara\nmore\n- a\n- b\n\n```js\ncode\n```\n> quote\n\n| a | b |\n|--|--|\n| 1 | 2 |\n***\nend";
  assert.deepEqual(types(text), ["heading", "paragraph", "list", "code", "quote", "table", "rule", "paragraph"]);
});

test("a heading loses its marks", () => {
  assert.deepEqual(parseBlocks("### A # b ##")[0], { type: "heading", level: 3, text: "A # b", line: 0, end: 1 });
  assert.deepEqual(types("#no\n####### no"), ["paragraph"]);
});

test("code is kept as it is, closed or not", () => {
  assert.equal(parseBlocks("```\n  a\n\n# b\n```")[0].text, "  a\n\n# b");
  const [open] = parseBlocks("~~~~ python\n```\nx");
  assert.deepEqual([open.language, open.text], ["python", "```\nx"]);
});

test("code of a list keeps its own indentation alone", () => {
  const [list] = parseBlocks("1. do\n   ```\n   a\n     b\n   ```\n2. go");
  assert.deepEqual(list.items, ["do\n```\na\n  b\n```", "go"]);
  assert.equal(parseBlocks(list.items[0])[1].text, "a\n  b");
});

test("lists hold what is indented, and lists themselves", () => {
  const [list, ...rest] = parseBlocks("3. a\n\n   more\n   - x\n   - y\n4. b\nlazy\n\nafter");
  assert.deepEqual([list.isOrdered, list.start, list.items], [true, 3, ["a\n\nmore\n- x\n- y", "b\nlazy"]]);
  assert.deepEqual(
    parseBlocks(list.items[0]).map((block) => block.type),
    ["paragraph", "paragraph", "list"],
  );
  assert.deepEqual(
    rest.map((block) => block.text),
    ["after"],
  );
});

test("a number that goes on with a sentence is no list", () => {
  assert.deepEqual(types("It was in\n2024. It rained."), ["paragraph"]);
  assert.deepEqual(types("Steps:\n1. one"), ["paragraph", "list"]);
});

test("tables have as many cells in each row as the head", () => {
  const [table] = parseBlocks("| a | b |\n|:-:|--:|\n| 1 |\n| 1 | x \\| y | 3 |");
  assert.deepEqual(table.align, ["center", "right"]);
  assert.deepEqual(table.rows, [
    ["1", ""],
    ["1", "x | y"],
  ]);
  assert.deepEqual(types("a | b\nc | d"), ["paragraph"]);
});

test("quotes go on lazily", () => {
  assert.equal(parseBlocks("> a\nb\n>\n> > c")[0].text, "a\nb\n\n> c");
});

test("line ends of other systems", () => {
  assert.deepEqual(types("# a\r\n\r\nb\r\n- c\r\n"), ["heading", "paragraph", "list"]);
});

test("emphasis", () => {
  assert.deepEqual(parseInline("a **b *c* d** e"), [
    "a ",
    { type: "strong", children: ["b ", { type: "em", children: ["c"] }, " d"] },
    " e",
  ]);
  for (const text of ["2 * 3 * 4", "snake_case_name", "**open", "a ** b **", "*", "~~x"]) {
    assert.deepEqual(parseInline(text), [text], text);
  }
  assert.deepEqual(parseInline("~~x~~"), [{ type: "strike", children: ["x"] }]);
});

test("code is no Markdown, and escapes are text", () => {
  assert.deepEqual(parseInline("`**a**` ``b`c``"), [
    { type: "code", text: "**a**" },
    " ",
    { type: "code", text: "b`c" },
  ]);
  assert.deepEqual(parseInline("\\*a\\* `open"), ["*a* `open"]);
});

test("only web addresses are links", () => {
  assert.deepEqual(parseInline("[a](https://x.y/b)"), [link("https://x.y/b", "a")]);
  assert.deepEqual(parseInline("see http://x.y/a_b_c."), ["see ", link("http://x.y/a_b_c", "http://x.y/a_b_c"), "."]);
  for (const address of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "//x.y",
    "/x",
    "file:///etc",
    " java\nscript:x",
    "vbscript:x",
    "blob:https://x.y/z",
  ]) {
    assert.equal(safeHref(address), null, address);
    assert.ok(
      parseInline(`[a](${address})`).every(
        (node) => typeof node === "string" || node.type !== "link" || /^https?:/.test(node.href),
      ),
      address,
    );
  }
});

test("HTML is text, and images are links", () => {
  assert.deepEqual(parseInline("<b onclick=x>a</b>"), ["<b onclick=x>a</b>"]);
  assert.deepEqual(parseInline("![a](https://x.y/i.png)"), [link("https://x.y/i.png", "a")]);
  assert.deepEqual(types("<script>\nalert(1)\n</script>"), ["paragraph"]);
});

test("texts that are never closed, and deep ones, have an end", () => {
  for (const piece of [
    "*a ",
    "**",
    "[",
    "`",
    "` ``",
    "_a",
    "<a",
    "[a](",
    "![](http://",
    "\\",
    "~~a",
    "> ",
    "- ",
    "|",
    "1. ",
  ]) {
    const text = piece.repeat(3000);
    assert.ok(parseBlocks(text).length);
    assert.ok(parseInline(text).length);
  }
});

test("every line belongs to one block", () => {
  const text = "a\n\n- b\n\n\n- c\n\n  d\n\n```\n\n```\n\n> e\n\n| f |\n|---|\n\n# g\n\n---\n\n    h\n";
  let before = 0;
  for (const { line, end } of parseBlocks(text)) {
    assert.ok(line >= before && end > line);
    assert.ok(
      text
        .split("\n")
        .slice(before, line)
        .every((each) => each === ""),
    );
    before = end;
  }
});
