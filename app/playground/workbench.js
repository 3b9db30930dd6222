// What the chat and the completions have in common: the model, the parameters beside the work, the
// keys that send and stop, and one request at a time.

import { el } from "./dom.js";
import { FieldError } from "./generation_settings.js";
import { icon } from "./icons.js";
import { bind, t } from "./i18n.js";
import { onKey } from "./key.js";
import { modelSelect, needsModel } from "./models.js";

export class Workbench {
  run = null;

  /** `work(buttons)` makes the place of the work; the form in it has the buttons, named by `sendKey`. */
  constructor(container, settings, { tools = [], fields = [], work, name, sendKey }) {
    this.settings = settings;
    this.buttons = this.#buttons(name, sendKey);
    this.model = modelSelect("generate", name);
    bind(this.model, "aria-label", "app.model");
    needsModel(this.buttons[0], this.model);
    this.element = el(
      "div",
      { class: "workbench" },
      el("div", { class: "workbench-main" }, this.#bar(tools), work(this.buttons)),
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

  /** The button that sends, and the one in its place that stops. */
  #buttons(name, sendKey) {
    const send = el(
      "button",
      { type: "submit", class: "button primary send", id: `${name}-send` },
      icon("send"),
      el("span", { t: sendKey }),
    );
    const stop = el(
      "button",
      { type: "button", class: "button send", id: `${name}-stop`, hidden: true, onclick: () => this.stop() },
      icon("stop"),
      el("span", { t: "app.stop" }),
    );
    return [send, stop];
  }

  /** A request has begun, or ended if `run` is null. */
  running(run) {
    this.run = run;
    const [send, stop] = this.buttons;
    send.hidden = run !== null;
    stop.hidden = run === null;
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

  /** The model and the parameters of a body; null without a model, or if a field is wrong, which is then shown. */
  body() {
    this.settings.unmarkAll();
    if (!this.model.value) return null;
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
}
