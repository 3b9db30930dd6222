// "Copy as": a menu as https://www.w3.org/WAI/ARIA/apg/patterns/menu-button/ has it.

import { copyText } from "./clipboard.js";
import { el, uid } from "./dom.js";
import { icon } from "./icons.js";
import { bind, t } from "./i18n.js";
import { snippets } from "./snippets.js";

const KINDS = ["curl", "python", "node"];
const SHOWN_MS = 1600;
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/** The menu; `getRequest()` gives `{path, body}` as the request would be sent now. */
export function copyMenu(getRequest) {
  return new Menu(getRequest).element;
}

class Menu {
  constructor(getRequest) {
    this.getRequest = getRequest;
    this.label = el("span", { t: "copy.as" });
    this.items = KINDS.map((kind) => this.#item(kind));
    this.list = el("div", { role: "menu", class: "copy-list", id: uid("copy"), hidden: true }, this.items);
    this.button = el("button", {
      type: "button", class: "button", "aria-haspopup": "menu", "aria-expanded": "false",
      "aria-controls": this.list.id, onclick: () => this.#toggle(this.list.hidden),
    }, icon("copy"), this.label);
    this.list.setAttribute("aria-labelledby", (this.button.id = uid("copy")));
    this.element = el("div", { class: "copy-menu", onkeydown: (event) => this.#press(event) }, this.button, this.list);
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(event.relatedTarget)) this.#toggle(false);
    });
  }

  #item(kind) {
    const copy = () => this.#copy(kind);
    return el("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: copy, t: `copy.${kind}` });
  }

  #toggle(isOpen, focused = 0) {
    this.list.hidden = !isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.items.at(focused).focus();
  }

  #press(event) {
    if (this.list.hidden) this.#pressClosed(event);
    else this.#pressOpen(event);
  }

  #pressClosed(event) {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    this.#toggle(true, event.key === "ArrowUp" ? -1 : 0);
  }

  #pressOpen(event) {
    const { key } = event;
    if (key === "Escape") this.#close();
    else if (key === "Home" || key === "End") this.items.at(key === "Home" ? 0 : -1).focus();
    else if (key in STEPS) this.#move(STEPS[key]);
    else return;
    event.preventDefault();
  }

  #move(step) {
    const here = this.items.indexOf(document.activeElement);
    this.items.at((here + step) % this.items.length).focus();
  }

  #close() {
    this.button.focus();
    this.#toggle(false);
  }

  async #copy(kind) {
    const { path, body } = this.getRequest();
    this.#close();
    const text = snippets(path, body)[kind];
    const isCopied = await copyText(text);
    if (!isCopied) showText(text);
    this.#say(isCopied ? "app.copied" : "app.not_copied", kind);
  }

  #say(key, kind) {
    bind(this.label, "", key);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => bind(this.label, "", "copy.as"), SHOWN_MS);
    const detail = `${t(key)}: ${t(`copy.${kind}`)}`;
    document.dispatchEvent(new CustomEvent("say", { detail }));
  }
}

/** The text in a dialog, to be copied by hand where the browser lets no page do it. */
function showText(text) {
  const area = el("textarea", { class: "mono", readonly: true, rows: "14", "t:aria-label": "copy.text", value: text });
  const dialog = el("dialog", { class: "dialog copy-dialog", "t:aria-label": "copy.by_hand" },
    el("form", { method: "dialog", class: "stack" },
      el("p", { t: "copy.by_hand" }), area, el("button", { class: "button", t: "copy.close" })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  area.select();
}
