// A conversation with a model.

import { messagesOf } from "../chat_answer.js";
import { AnswerTurn, UserTurn } from "../chat_turns.js";
import { copyMenu } from "../copy_menu.js";
import { el, field, replace } from "../dom.js";
import { Frames } from "../frames.js";
import { Run } from "../generation_run.js";
import { GenerationSettings } from "../generation_settings.js";
import { icon } from "../icons.js";
import { t } from "../i18n.js";
import { Workbench } from "../workbench.js";

export const id = "chat";
export const titleKey = "chat.title";

const PATH = "v1/chat/completions";
const SUGGESTIONS = ["chat.suggestion_1", "chat.suggestion_2", "chat.suggestion_3"];
// How far from the end still counts as being there, in CSS pixels.
const NEAR_END = 48;
const MAX_ANNOUNCED = 2000;
const EXAMPLE_TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather in a city",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

export function mount(container, context) {
  new Chat(container, context);
}

class Chat {
  turns = [];
  isAtEnd = true;

  constructor(container, context) {
    this.context = context;
    this.settings = new GenerationSettings();
    this.settings.addTools(EXAMPLE_TOOLS);
    this.system = el("textarea", { rows: "4", name: "system", "t:placeholder": "chat.system_placeholder" });
    this.list = el("div", {
      class: "conversation",
      role: "region",
      tabindex: "0",
      "t:aria-label": "chat.conversation",
    });
    this.list.addEventListener("scroll", () => (this.isAtEnd = this.#distance() < NEAR_END));
    const clear = el(
      "button",
      { type: "button", class: "button quiet", onclick: () => this.clear(), "t:aria-label": "app.clear" },
      icon("trash"),
      el("span", { class: "wide-only", t: "app.clear" }),
    );
    this.bench = new Workbench(container, this.settings, {
      name: "chat",
      tools: [clear, copyMenu(() => this.request())],
      fields: [field("chat.system", this.system)],
      sendKey: "app.send",
      work: (buttons) => el("div", { class: "chat" }, this.list, this.#composer(buttons)),
    });
    this.bench.send = () => this.send();
    this.#showEmpty();
  }

  #composer(buttons) {
    this.input = el("textarea", {
      rows: "1",
      id: "chat-input",
      "t:placeholder": "chat.placeholder",
      "t:aria-label": "chat.message",
      enterkeyhint: "send",
    });
    this.input.addEventListener("input", () => this.#fit());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    const submit = (event) => {
      event.preventDefault();
      this.send();
    };
    return el(
      "form",
      { class: "composer", onsubmit: submit },
      el("div", { class: "composer-row" }, this.input, buttons),
      el("p", { class: "hint keys", t: "chat.keys" }),
    );
  }

  /** Enter sends where there is a keyboard with a Shift key; not while a word is being composed. */
  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    if (matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    this.send();
  }

  #fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight + 2}px`;
  }

  #distance() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight;
  }

  #showEmpty() {
    const use = (key) => {
      this.input.value = t(key);
      this.send();
    };
    const chips = SUGGESTIONS.map((key) =>
      el("button", { type: "button", class: "chip", onclick: () => use(key), t: key }),
    );
    replace(
      this.list,
      el(
        "div",
        { class: "empty" },
        el("h2", { t: "chat.empty" }),
        el("p", { class: "hint", t: "chat.empty_hint" }),
        el("div", { class: "chips" }, chips),
      ),
    );
  }

  /** The request as it would be sent now, for the programs that make the same. */
  request() {
    const text = this.input.value.trim();
    const turns = text || !this.turns.length ? [...this.turns, { role: "user", text }] : this.turns;
    return { path: PATH, body: { ...this.#body(turns), stream: true } };
  }

  #body(turns) {
    const body = {
      ...(this.bench.body() ?? { model: this.bench.model.value }),
      messages: messagesOf(this.system.value, turns),
    };
    if (!this.settings.wantsLogprobs) return body;
    const top = this.settings.numAlternatives;
    return { ...body, logprobs: true, ...(top ? { top_logprobs: top } : {}) };
  }

  send() {
    const text = this.input.value.trim();
    if (!text || !this.canAsk()) return;
    if (!this.turns.length) replace(this.list);
    this.input.value = "";
    this.#fit();
    this.#push(new UserTurn(text, this));
    this.goOn();
  }

  #push(turn) {
    this.turns.push(turn);
    this.list.append(turn.element);
    this.list.scrollTop = this.list.scrollHeight;
    this.isAtEnd = true;
  }

  /** Have the model answer what is there. */
  async goOn() {
    if (!this.canAsk()) return;
    const body = this.#body(this.turns);
    const turn = new AnswerTurn(body.model, this);
    const frames = new Frames(() => this.#show(turn));
    const run = new Run(PATH, body, (event) => {
      frames.ask();
      return turn.answer.take(event);
    });
    this.#running(run);
    this.#push(turn);
    let outcome = null;
    try {
      outcome = (await run.finish()) === "stopped" ? t("chat.stopped") : null;
    } catch (error) {
      this.#fail(turn, error);
    } finally {
      this.#running(null);
      frames.cancel();
      turn.finish(run.figures, outcome);
      this.#follow();
    }
    if (!turn.trouble.hasChildNodes()) this.context.announce(this.#spoken(turn.answer));
  }

  #show(turn) {
    turn.show();
    this.#follow();
  }

  #follow() {
    if (this.isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  #fail(turn, error) {
    turn.fail(error);
    this.settings.mark(error.param, error.message);
    if (error.name !== "ApiError") throw error;
  }

  #spoken({ content, calls }) {
    if (content) return t("chat.answered", { text: content.slice(0, MAX_ANNOUNCED) });
    return calls.length ? t("chat.called", { name: calls.map((call) => call.name).join(", ") }) : t("chat.no_text");
  }

  #running(run) {
    this.bench.running(run);
    this.list.classList.toggle("running", run !== null);
    for (const button of this.list.querySelectorAll("[data-action]"))
      button.disabled = run !== null && button.dataset.action !== "copy";
  }

  /** Whether a request could be sent now; a field that is wrong is shown. */
  canAsk() {
    return !this.bench.run && this.bench.body() !== null;
  }

  regenerate(turn) {
    if (!this.canAsk()) return;
    this.#cut(this.turns.indexOf(turn));
    this.goOn();
  }

  /** What came after a message was an answer to what it said before. */
  askAgain(turn) {
    if (!this.canAsk()) return;
    this.#cut(this.turns.indexOf(turn) + 1);
    this.goOn();
  }

  #cut(from) {
    for (const turn of this.turns.splice(from)) turn.element.remove();
  }

  remove(turn) {
    if (this.bench.run) return;
    this.turns.splice(this.turns.indexOf(turn), 1);
    turn.element.remove();
    if (!this.turns.length) this.#showEmpty();
    this.input.focus();
  }

  clear() {
    this.bench.stop();
    this.turns = [];
    this.#showEmpty();
    this.input.focus();
  }
}
