// Elements made of values, never of markup.
//
//   el("button", { class: "button", onclick: send, t: "app.send" })
//   el("input", { "t:placeholder": "chat.placeholder", value: "" })
//   el("p", { t: ["error.status", { status: 503 }] })
//
// `t` is a key of the texts, or [key, params]; `t:name` is the same for the attribute `name`. Both
// follow the language. `style` is an object; an attribute that is null or false is left out.

import { bind } from "./i18n.js";

const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "hidden"]);
let counted = 0;

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  element.append(...nodes(children));
  return element;
}

/** Children as `append` takes them; null, undefined and false are nothing. */
export function nodes(children) {
  return children.flat(Infinity).filter((child) => child != null && child !== false);
}

function set(element, name, value) {
  if (value == null || value === false) return;
  if (name === "t" || name.startsWith("t:")) bind(element, name.slice(2), ...[value].flat());
  else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "style") setStyle(element, value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (PROPERTIES.has(name)) element[name] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

function setStyle(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
}

/** Put these children in the place of the element's own. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** An id that no other element has. */
export function uid(stem = "id") {
  counted += 1;
  return `${stem}-${counted}`;
}

/** A control below its label: `key` is the label's text, `hint` that of a line below. */
export function field(key, control, hint = null) {
  control.id ||= uid("field");
  const line = hint && el("p", { class: "hint", id: `${control.id}-hint`, t: hint });
  if (line) control.setAttribute("aria-describedby", line.id);
  return el("div", { class: "field" }, el("label", { for: control.id, t: key }), control, line);
}

/** A checkbox before its label. */
export function check(key, control) {
  control.id ||= uid("check");
  control.type = "checkbox";
  return el("div", { class: "check" }, control, el("label", { for: control.id, t: key }));
}
