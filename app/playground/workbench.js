// What the chat and the completions have in common: the model, the parameters beside the work, the
// keys that send and stop, and one request at a time.

import { el, replace } from "./dom.js";
import { errorBox } from "./error_box.js";
import { FieldError } from "./generation_settings.js";
import { icon } from "./icons.js";
import { bind, t } from "./i18n.js";
import { onKey } from "./key.js";
import { modelSelect } from "./models.js";

export class Workbench {
  run = null;

  constructor(container, settings, { tools = [], fields = [], work, name }) {
    this.settings = settings;
    this.model = modelSelect("generate", name);
    bind(this.model, "aria-label", "app.model");
    this.element = el(
      "div",
      { class: "workbench" },
      el("div", { class: "workbench-main" }, this.#bar(tools), work),
      el(
        "aside",
        { class: "workbench-side", "t:aria-label": "app.settings" },
        el("div", { class: "side-scroll stack" }, fields, settings.element),
      ),
    );
    container.classList.add("workbench-panel");
    container.append(this.element);
    for (const event of ["change", "modelshown"])
      this.model.addEventListener(event, () => settings.follow(this.model.value));
    onKey((what) => what === "changed" && settings.follow(this.model.value));
    container.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("keydown", (event) => this.#escape(event, container));
    settings.follow(this.model.value);
  }

  #bar(tools) {
    const toggle = el(
      "button",
      { type: "button", class: "button narrow-only", "aria-expanded": "false", "t:aria-label": "app.settings" },
      icon("more"),
      el("span", { class: "wide-only", t: "app.settings" }),
    );
    toggle.addEventListener("click", () => {
      const isOpen = this.element.classList.toggle("shows-settings");
      toggle.setAttribute("aria-expanded", String(isOpen));
    });
    return el(
      "div",
      { class: "bench-bar row" },
      el("div", { class: "model-field" }, this.model),
      el("span", { class: "grow" }),
      tools,
      toggle,
    );
  }

  /** Escape stops, unless it closes something. */
  #escape(event, container) {
    const isOurs = event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]");
    if (isOurs && !container.hidden) this.stop();
  }

  #key(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    this.send?.();
  }

  stop() {
    this.run?.stop();
  }

  /** The model and the parameters of a body; null if a field is wrong, which is then shown there. */
  body() {
    this.settings.unmarkAll();
    try {
      return { model: this.model.value, ...this.settings.read() };
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.element.classList.add("shows-settings");
      this.settings.mark(error.param, t(error.key));
      this.settings.controls[error.param].focus();
      return null;
    }
  }

  /** Show a failure in `place`; `retry` does the same again. */
  failed(place, error, retry) {
    this.settings.mark(error.param, error.message);
    replace(place, errorBox(error, retry));
  }
}
