// The parameters of a request that generates. What is left empty is not sent: the model's own
// default counts then.

import { check, el, field, replace, uid } from "./dom.js";
import { bind } from "./i18n.js";
import { describeModel } from "./models.js";

const NUMBERS = {
  temperature: { min: 0, max: 2, step: 0.1 },
  top_p: { min: 0, max: 1, step: 0.05 },
  max_tokens: { min: 1, step: 1 },
  seed: { step: 1 },
  frequency_penalty: { min: -2, max: 2, step: 0.1 },
  presence_penalty: { min: -2, max: 2, step: 0.1 },
};
// What a model may not take; it says so itself.
const BY_MODEL = ["temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"];
const ESCAPES = { "\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\" };

/** A field whose text cannot be sent. */
export class FieldError extends Error {
  constructor(param, key) {
    super(key);
    Object.assign(this, { param, key });
  }
}

/** One text of each line; `\n`, `\t`, `\r` and `\\` stand for what they are elsewhere. */
export function stopsOf(text) {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => line.replace(/\\[ntr\\]/g, (escape) => ESCAPES[escape]));
}

export class GenerationSettings {
  #numAsked = 0;

  /** `maxAlternatives`: what the endpoint takes at most; a model may take fewer. */
  constructor({ maxAlternatives = 20 } = {}) {
    this.controls = {};
    this.notes = {};
    this.maxAlternatives = maxAlternatives;
    this.capabilities = null;
    this.element = el("div", { class: "settings-fields" }, this.#numbers(), this.#stop(), this.#logprobs());
    this.element.addEventListener("input", (event) => this.#unmark(event.target));
  }

  #add(name, control) {
    this.controls[name] = control;
    this.notes[name] = el("p", { class: "hint note", id: uid("note"), hidden: true });
    return [control, this.notes[name]];
  }

  #numbers() {
    const fields = Object.entries(NUMBERS).map(([name, range]) => {
      const input = el("input", {
        type: "number",
        name,
        inputmode: "decimal",
        autocomplete: "off",
        "t:placeholder": "app.default",
        ...range,
      });
      return this.#field(name, input);
    });
    return el("div", { class: "pairs" }, fields);
  }

  #field(name, control, hint = null) {
    const [, note] = this.#add(name, control);
    const element = field(`parameters.${name}`, control, hint);
    element.append(note);
    return element;
  }

  #stop() {
    const area = el("textarea", { name: "stop", rows: "2", class: "mono", spellcheck: "false" });
    return this.#field("stop", area, "parameters.stop_hint");
  }

  #logprobs() {
    const box = el("input", { name: "logprobs" });
    const [, note] = this.#add("logprobs", box);
    const top = el("input", {
      type: "number",
      name: "top_logprobs",
      min: 0,
      max: this.maxAlternatives,
      step: 1,
      "t:placeholder": "parameters.none",
    });
    this.top = this.#field("top_logprobs", top);
    this.top.hidden = true;
    box.addEventListener("change", () => this.#showTop());
    return el("div", { class: "stack tight" }, check("parameters.logprobs", box), note, this.top);
  }

  #showTop() {
    const known = this.capabilities?.max_top_logprobs;
    this.top.hidden = !this.controls.logprobs.checked || known === 0;
  }

  /** A JSON field for tools. */
  addTools(example) {
    const area = el("textarea", {
      name: "tools",
      rows: "6",
      class: "mono",
      spellcheck: "false",
      placeholder: "[ … ]",
    });
    const fill = () => {
      area.value = JSON.stringify(example, null, 2);
      this.#unmark(area);
    };
    const button = el("button", {
      type: "button",
      class: "button small quiet",
      onclick: fill,
      t: "parameters.tools_example",
    });
    const element = this.#field("tools", area, "parameters.tools_hint");
    this.element.append(
      el("details", { class: "fold" }, el("summary", { t: "parameters.tools_title" }), element, button),
    );
    this.toolsButton = button;
  }

  addCheck(name) {
    const [box, note] = this.#add(name, el("input", { name }));
    this.element.append(el("div", { class: "stack tight" }, check(`parameters.${name}`, box), note));
  }

  /** Ask what the model can do, and take away what it cannot. */
  async follow(model) {
    const asked = (this.#numAsked += 1);
    const capabilities = model
      ? await describeModel(model)
          .then((told) => told.capabilities)
          .catch(() => null)
      : null;
    // An answer that comes late is of a model that is not chosen any more.
    if (asked === this.#numAsked) this.#suit(capabilities);
  }

  #suit(capabilities) {
    this.capabilities = capabilities;
    const parameters = capabilities?.parameters;
    for (const name of BY_MODEL) this.#allow(name, !parameters || parameters.includes(name));
    this.#allow("logprobs", capabilities?.logprobs !== false);
    if (this.controls.tools) this.#allow("tools", capabilities?.tools !== false);
    if (this.toolsButton) this.toolsButton.disabled = capabilities?.tools === false;
    const most = capabilities?.max_top_logprobs ?? this.maxAlternatives;
    this.controls.top_logprobs.max = Math.min(most, this.maxAlternatives);
    this.#showTop();
  }

  #allow(name, isAllowed) {
    const control = this.controls[name];
    control.disabled = !isAllowed;
    if (control.type === "number") bind(control, "placeholder", isAllowed ? "app.default" : "parameters.not_taken");
    else {
      this.notes[name].hidden = isAllowed;
      replace(this.notes[name], isAllowed ? null : el("span", { t: "parameters.not_taken_long" }));
    }
  }

  /** The fields of a body. Raises FieldError. */
  read() {
    const body = {};
    for (const name of Object.keys(NUMBERS)) this.#readNumber(name, body);
    const stops = stopsOf(this.controls.stop.value);
    if (stops.length) body.stop = stops;
    return { ...body, ...this.#readTools() };
  }

  #readNumber(name, body) {
    const control = this.controls[name];
    if (control.disabled) return;
    if (control.validity.badInput) throw new FieldError(name, "parameters.no_number");
    if (control.value !== "") body[name] = Number(control.value);
  }

  #readTools() {
    const area = this.controls.tools;
    if (!area || area.disabled || !area.value.trim()) return {};
    try {
      return { tools: JSON.parse(area.value) };
    } catch {
      throw new FieldError("tools", "parameters.no_json");
    }
  }

  get wantsLogprobs() {
    const box = this.controls.logprobs;
    return box.checked && !box.disabled;
  }

  /** How many alternatives are to be told beside each token. */
  get numAlternatives() {
    const input = this.controls.top_logprobs;
    return this.top.hidden || input.value === "" ? 0 : Number(input.value);
  }

  /** Show at the field what is wrong with it; `param` is the server's name of it, like `tools[0]`. */
  mark(param, text) {
    const name = /^\w+/.exec(param ?? "")?.[0];
    const control = this.controls[name];
    if (!control) return false;
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-errormessage", this.notes[name].id);
    this.notes[name].hidden = false;
    this.notes[name].classList.add("wrong");
    replace(this.notes[name], text);
    control.closest("details")?.setAttribute("open", "");
    return true;
  }

  unmarkAll() {
    for (const control of Object.values(this.controls)) this.#unmark(control);
  }

  #unmark(control) {
    const note = this.notes[control.name];
    if (control.getAttribute("aria-invalid") !== "true" || !note) return;
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-errormessage");
    note.classList.remove("wrong");
    note.hidden = true;
  }
}
