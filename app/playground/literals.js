// A JSON value as source code of a language, and texts as words of a shell.

const WIDTH = 72;
const PYTHON = { words: { null: "None", true: "True", false: "False" }, indent: "    ", key: quoted };
const JAVASCRIPT = { words: {}, indent: "  ", key: javascriptKey };
const NAME = /^[A-Za-z_$][\w$]*$/;

/** A literal of Python; lines after the first are indented by `depth` steps. */
export function pythonLiteral(value, depth = 0) {
  return write(value, PYTHON, depth);
}

/** A literal of JavaScript; lines after the first are indented by `depth` steps. */
export function javascriptLiteral(value, depth = 0) {
  return write(value, JAVASCRIPT, depth);
}

/** A word of a POSIX shell that stands for exactly this text. */
export function shellWord(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The value as JSON over several lines, short lists and objects on one. */
export function json(value) {
  return write(value, { words: {}, indent: "  ", key: quoted }, 0);
}

function write(value, language, depth) {
  if (value === null || typeof value !== "object") return scalar(value, language);
  const line = inline(value, language);
  return line.length <= WIDTH ? line : block(value, language, depth);
}

function scalar(value, language) {
  // Escapes of JSON mean the same in Python and JavaScript.
  const text = JSON.stringify(value);
  return language.words[text] ?? text;
}

function inline(value, language) {
  if (value === null || typeof value !== "object") return scalar(value, language);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const space = language === JAVASCRIPT && open === "{" && Object.keys(value).length ? " " : "";
  return open + space + entries(value, language, (item) => inline(item, language)).join(", ") + space + close;
}

function block(value, language, depth) {
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inner = language.indent.repeat(depth + 1);
  const items = entries(value, language, (item) => write(item, language, depth + 1));
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${language.indent.repeat(depth)}${close}`;
}

function entries(value, language, writeItem) {
  if (Array.isArray(value)) return value.map(writeItem);
  const defined = Object.entries(value).filter(([, item]) => item !== undefined);
  return defined.map(([key, item]) => `${language.key(key)}: ${writeItem(item)}`);
}

function quoted(key) {
  return JSON.stringify(key);
}

function javascriptKey(key) {
  // As a plain key this one would set the object's prototype.
  if (key === "__proto__") return `["${key}"]`;
  return NAME.test(key) ? key : quoted(key);
}
