// Markdown's blocks: headings, lists, tables, quotes, code, rules and paragraphs. Each has the
// `line` at which it begins and the `end` behind it. HTML is text like any other.

// None of these can match a text in several ways, so a line that they refuse is read once.
const FENCE = /^( {0,3})(`{3,}(?!`)|~{3,}(?!~))([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t](.*))?$/s;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:( +)(.*)|)$/s;
const QUOTE = /^ {0,3}> ?/;
const DELIMITER = /^:?-+:?$/;

export function parseBlocks(text) {
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (isBlank(lines[at])) at += 1;
    else {
      const block = read(lines, at);
      blocks.push({ ...block, line: at });
      at = block.end;
    }
  }
  return blocks;
}

function read(lines, at) {
  for (const reader of [code, heading, rule, quote, table, list]) {
    const block = reader(lines, at);
    if (block) return block;
  }
  return paragraph(lines, at);
}

function isBlank(line) {
  return line.trim() === "";
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}

function code(lines, at) {
  const [, indent, fence, language] = FENCE.exec(lines[at]) ?? [];
  if (!fence) return null;
  let end = at + 1;
  while (end < lines.length && !closesFence(lines[end], fence)) end += 1;
  const text = lines.slice(at + 1, end).map((line) => line.slice(Math.min(indent.length, indentOf(line))));
  return {
    type: "code",
    language: language.trim().split(/\s/)[0],
    text: text.join("\n"),
    end: Math.min(end + 1, lines.length),
  };
}

function closesFence(line, fence) {
  const trimmed = line.trim();
  return trimmed.length >= fence.length && indentOf(line) < 4 && trimmed === fence[0].repeat(trimmed.length);
}

function heading(lines, at) {
  const [, marks, text] = HEADING.exec(lines[at]) ?? [];
  if (!marks) return null;
  return {
    type: "heading",
    level: marks.length,
    text: (text ?? "")
      .trim()
      .replace(/(^|[ \t])#+$/, "")
      .trim(),
    end: at + 1,
  };
}

function rule(lines, at) {
  const bare = lines[at].replace(/[ \t]/g, "");
  const isRule = bare.length >= 3 && "-*_".includes(bare[0]) && bare === bare[0].repeat(bare.length);
  return isRule ? { type: "rule", end: at + 1 } : null;
}

function quote(lines, at) {
  if (!QUOTE.test(lines[at])) return null;
  let end = at;
  while (end < lines.length && (QUOTE.test(lines[end]) || continuesText(lines, end))) end += 1;
  return {
    type: "quote",
    text: lines
      .slice(at, end)
      .map((line) => line.replace(QUOTE, ""))
      .join("\n"),
    end,
  };
}

/** Whether the line is more of the paragraph above it. */
function continuesText(lines, at) {
  return (
    !isBlank(lines[at]) && ![code, heading, rule, quote].some((reader) => reader(lines, at)) && !startsList(lines[at])
  );
}

function startsList(line) {
  const [, , marker, , rest] = ITEM.exec(line) ?? [];
  // "2024. It was" goes on with a sentence; a list in the middle of one begins with 1.
  return Boolean(marker && rest) && (!/\d/.test(marker) || parseInt(marker, 10) === 1);
}

function cells(line) {
  const row = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(^|[^\\])\|$/, "$1");
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines, at) {
  if (!lines[at].includes("|") || !lines[at + 1]?.includes("-")) return null;
  const [head, marks] = [cells(lines[at]), cells(lines[at + 1])];
  if (head.length !== marks.length || !marks.every((mark) => DELIMITER.test(mark))) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && !isBlank(lines[end])) end += 1;
  const rows = lines.slice(at + 2, end).map((line) => rowOf(cells(line), head.length));
  return { type: "table", align: marks.map(alignment), head, rows, end };
}

/** As many cells as the head has. */
function rowOf(found, length) {
  return Array.from({ length }, (_, column) => found[column] ?? "");
}

function alignment(mark) {
  if (mark.endsWith(":")) return mark.startsWith(":") ? "center" : "right";
  return mark.startsWith(":") ? "left" : null;
}

function list(lines, at) {
  const first = ITEM.exec(lines[at]);
  if (!first || first[1].length > 3) return null;
  const isOrdered = /\d/.test(first[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const found = ITEM.exec(lines[end]);
    if (!found || found[1].length > first[1].length + 1 || !isSibling(found[2], first[2])) break;
    const next = itemEnd(lines, end, found);
    items.push(itemText(lines, end, next, found));
    end = skipBlanks(lines, next);
  }
  return {
    type: "list",
    isOrdered,
    start: isOrdered ? parseInt(first[2], 10) : null,
    items,
    end: lastText(lines, end),
  };
}

function isSibling(marker, first) {
  return /\d/.test(first) ? /\d/.test(marker) && marker.at(-1) === first.at(-1) : marker === first;
}

/** The line behind an item: what is indented belongs to it, and text that goes on below. */
function itemEnd(lines, at, [, indent]) {
  const isInside = (line) => line !== undefined && indentOf(line) >= indent.length + 2;
  let end = at + 1;
  while (end < lines.length) {
    const next = skipBlanks(lines, end);
    if (!isInside(lines[next]) && (next > end || !isLazy(lines, end))) break;
    end = next + 1;
  }
  return end;
}

function isLazy(lines, at) {
  return !isBlank(lines[at - 1]) && !ITEM.test(lines[at]) && continuesText(lines, at);
}

function itemText(lines, at, end, [, indent, marker, gap, rest]) {
  const width = indent.length + marker.length + Math.min(gap?.length ?? 1, 4);
  const more = lines.slice(at + 1, end).map((line) => line.slice(Math.min(width, indentOf(line))));
  return [rest ?? "", ...more].join("\n");
}

function skipBlanks(lines, at) {
  while (at < lines.length && isBlank(lines[at])) at += 1;
  return at;
}

function lastText(lines, end) {
  while (isBlank(lines[end - 1])) end -= 1;
  return end;
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && continuesText(lines, end) && !table(lines, end)) end += 1;
  return {
    type: "paragraph",
    text: lines
      .slice(at, end)
      .map((line) => line.trimStart())
      .join("\n")
      .trimEnd(),
    end,
  };
}
