// A text, and how a model goes on with it.

import { copyButton } from "../clipboard.js";
import { CompletionAnswer } from "../completion_answer.js";
import { copyMenu } from "../copy_menu.js";
import { el, field, replace } from "../dom.js";
import { errorBox } from "../error_box.js";
import { figuresLine } from "../figures.js";
import { Frames } from "../frames.js";
import { Run } from "../generation_run.js";
import { GenerationSettings } from "../generation_settings.js";
import { t } from "../i18n.js";
import { TokenView } from "../token_view.js";
import { Workbench } from "../workbench.js";

export const id = "completions";
export const titleKey = "completions.title";

const PATH = "v1/completions";
const MAX_ALTERNATIVES = 5;
const MAX_ANNOUNCED = 2000;

export function mount(container, context) {
  new Completions(container, context);
}

class Completions {
  constructor(container, context) {
    this.context = context;
    this.settings = new GenerationSettings({ maxAlternatives: MAX_ALTERNATIVES });
    this.settings.addCheck("echo");
    this.prompt = el("textarea", {
      rows: "8",
      name: "prompt",
      id: "completions-prompt",
      value: t("completions.sample"),
    });
    this.output = el("div", { class: "stack", id: "completions-output" });
    this.bench = new Workbench(container, this.settings, {
      name: "completions",
      tools: [copyMenu(() => this.request())],
      sendKey: "completions.send",
      work: (buttons) => el("div", { class: "completions stack" }, this.#form(buttons), this.output),
    });
    this.bench.send = () => this.send();
    this.#showEmpty();
  }

  #form(buttons) {
    const submit = (event) => {
      event.preventDefault();
      this.send();
    };
    return el(
      "form",
      { class: "card stack", onsubmit: submit },
      field("completions.prompt", this.prompt),
      el("div", { class: "row" }, buttons, el("p", { class: "hint keys", t: "completions.keys" })),
    );
  }

  #showEmpty() {
    replace(this.output, el("p", { class: "card hint", t: "completions.empty" }));
  }

  request() {
    return {
      path: PATH,
      body: { ...this.#body(this.bench.body() ?? { model: this.bench.model.value }), stream: true },
    };
  }

  #body(settings) {
    const body = { ...settings, prompt: this.prompt.value };
    if (this.settings.controls.echo.checked) body.echo = true;
    if (this.settings.wantsLogprobs) body.logprobs = Math.min(this.settings.numAlternatives, MAX_ALTERNATIVES);
    return body;
  }

  async send() {
    const settings = this.bench.run ? null : this.bench.body();
    if (!settings) return;
    const result = new Result((text) => this.#goOnWith(text));
    const frames = new Frames(() => result.show());
    const run = new Run(PATH, this.#body(settings), (event) => {
      frames.ask();
      return result.answer.take(event);
    });
    this.bench.running(run);
    replace(this.output, result.element);
    let outcome = null;
    try {
      outcome = (await run.finish()) === "stopped" ? t("chat.stopped") : null;
      this.context.announce(t("chat.answered", { text: result.answer.text.slice(0, MAX_ANNOUNCED) }));
    } catch (error) {
      this.#fail(result, error);
    } finally {
      this.bench.running(null);
      frames.cancel();
      result.finish(run.figures, outcome);
    }
  }

  #fail(result, error) {
    replace(
      result.trouble,
      errorBox(error, () => this.send()),
    );
    this.settings.mark(error.param, error.message);
    if (error.name !== "ApiError") throw error;
  }

  #goOnWith(text) {
    this.prompt.value = this.settings.controls.echo.checked ? text : this.prompt.value + text;
    this.prompt.focus();
    this.prompt.scrollTop = this.prompt.scrollHeight;
  }
}

class Result {
  #numTokens = 0;
  answer = new CompletionAnswer();

  constructor(goOnWith) {
    this.goOnWith = goOnWith;
    this.text = document.createTextNode("");
    this.plain = el("div", { class: "completion-text" }, this.text);
    this.tokens = new TokenView();
    this.tokens.element.hidden = true;
    this.waiting = el("div", { class: "waiting", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.trouble = el("div", { class: "trouble-place" });
    this.foot = el("div", { class: "turn-foot" });
    this.element = el(
      "section",
      { class: "card stack result", "aria-busy": "true", "t:aria-label": "completions.output" },
      this.plain,
      this.tokens.element,
      this.waiting,
      this.trouble,
      this.foot,
    );
  }

  show() {
    const { text, tokens } = this.answer;
    this.text.appendData(text.slice(this.text.length));
    this.tokens.append(tokens.slice(this.#numTokens));
    this.#numTokens = tokens.length;
    this.tokens.element.hidden = !tokens.length;
    this.plain.hidden = tokens.length > 0;
    this.waiting.hidden = Boolean(text);
  }

  finish(figures, outcome) {
    this.show();
    this.waiting.hidden = true;
    this.element.removeAttribute("aria-busy");
    const { text } = this.answer;
    const more = el("button", {
      type: "button",
      class: "button small quiet",
      onclick: () => this.goOnWith(text),
      t: "completions.go_on",
    });
    replace(
      this.foot,
      figuresLine(figures, outcome),
      text &&
        el(
          "div",
          { class: "actions" },
          more,
          copyButton(() => text),
        ),
    );
  }
}
