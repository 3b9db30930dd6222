// The field for the API key: a dialog below a button of the header.

import { el, field, check } from "./dom.js";
import { icon } from "./icons.js";
import { bind } from "./i18n.js";
import { getKey, isKept, onKey, setKey } from "./key.js";

/** `{button, dialog}`; `changed()` is called when there is another key. */
export function keyEntry(changed) {
  const button = el(
    "button",
    { type: "button", class: "button quiet", "aria-haspopup": "dialog", id: "key-button" },
    icon("key"),
    el("span", { class: "wide-only", t: "key.title" }),
  );
  const input = el("input", {
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    id: "key-input",
    name: "api-key",
    "t:placeholder": "key.placeholder",
  });
  const keeps = el("input", {});
  const refused = el("p", { class: "error", role: "alert", hidden: true, t: "key.needed" });
  const dialog = el("dialog", { class: "dialog", id: "key-dialog", "aria-labelledby": "key-heading" });
  const show = (isNeeded) => {
    input.value = getKey();
    keeps.checked = isKept();
    refused.hidden = !isNeeded;
    remove.hidden = getKey() === "";
    bind(refused, "", getKey() ? "key.refused" : "key.needed");
    if (!dialog.open) dialog.showModal();
    input.select();
  };
  const store = (key, isKeptHere) => {
    dialog.close();
    setKey(key.trim(), isKeptHere);
    changed();
  };
  const remove = el("button", {
    type: "button",
    class: "button quiet",
    onclick: () => store("", false),
    t: "key.remove",
  });
  dialog.append(form(dialog, input, keeps, refused, remove, store));
  button.addEventListener("click", () => show(false));
  onKey((what) => what === "needed" && show(true));
  const mark = () => button.classList.toggle("has-key", getKey() !== "");
  onKey(mark);
  mark();
  bind(button, "aria-label", "key.title");
  return { button, dialog };
}

function form(dialog, input, keeps, refused, remove, store) {
  const save = (event) => {
    event.preventDefault();
    const isSendable = /^[\x21-\x7e]*$/.test(input.value.trim());
    if (isSendable) return store(input.value, keeps.checked);
    refused.hidden = false;
    bind(refused, "", "key.characters");
    return input.focus();
  };
  return el(
    "form",
    { onsubmit: save, novalidate: true, class: "stack" },
    el("h2", { id: "key-heading", t: "key.title" }),
    refused,
    field("key.label", input, "key.hint"),
    check("key.keep", keeps),
    el(
      "div",
      { class: "row end" },
      remove,
      el("span", { class: "grow" }),
      el("button", { type: "button", class: "button", onclick: () => dialog.close(), t: "app.cancel" }),
      el("button", { type: "submit", class: "button primary", t: "key.save" }),
    ),
  );
}
