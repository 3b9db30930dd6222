// What was said, as elements: the reader's messages, and the model's answers while they come.

import { ChatAnswer } from "./chat_answer.js";
import { copyText } from "./clipboard.js";
import { el, replace } from "./dom.js";
import { errorBox } from "./error_box.js";
import { figuresLine } from "./figures.js";
import { icon } from "./icons.js";
import { bind, t } from "./i18n.js";
import { MarkdownView } from "./markdown.js";
import { TokenView } from "./token_view.js";
import { ToolCallsView } from "./tool_calls.js";

function action(name, key, onclick) {
  return el(
    "button",
    { type: "button", class: "action", dataset: { action: name }, onclick, "t:aria-label": key, "t:title": key },
    icon(name),
  );
}

function copyAction(getText) {
  return action("copy", "app.copy", async () => {
    const isCopied = await copyText(getText());
    document.dispatchEvent(new CustomEvent("say", { detail: t(isCopied ? "app.copied" : "app.not_copied") }));
  });
}

/** `{role: "user", text, element}`; `chat` has what its buttons do. */
export class UserTurn {
  role = "user";

  constructor(text, chat) {
    Object.assign(this, { text, chat });
    this.body = el("div", { class: "turn-text" });
    this.actions = el(
      "div",
      { class: "actions" },
      copyAction(() => this.text),
      action("edit", "chat.edit", () => this.edit()),
      action("trash", "chat.delete", () => chat.remove(this)),
    );
    this.element = el("article", { class: "turn user", "t:aria-label": "chat.you" }, this.body, this.actions);
    this.show();
  }

  show() {
    replace(this.body, this.text);
    this.actions.hidden = false;
  }

  edit() {
    const area = el("textarea", {
      rows: String(Math.min(this.text.split("\n").length + 1, 12)),
      "t:aria-label": "chat.edit",
    });
    area.value = this.text;
    const save = () => {
      if (!this.chat.canAsk()) return;
      this.text = area.value;
      this.show();
      this.chat.askAgain(this);
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.show();
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const buttons = el(
      "div",
      { class: "row end" },
      el("button", { type: "button", class: "button small", onclick: () => this.show(), t: "app.cancel" }),
      el("button", {
        type: "button",
        class: "button small primary",
        dataset: { action: "resend" },
        onclick: save,
        t: "chat.resend",
      }),
    );
    replace(this.body, el("div", { class: "stack tight" }, area, buttons));
    this.actions.hidden = true;
    area.focus();
  }
}

/** `{role: "assistant", answer, element}`. */
export class AnswerTurn {
  role = "assistant";
  answer = new ChatAnswer();
  #numTokens = 0;
  #numReasoning = 0;

  constructor(model, chat) {
    this.chat = chat;
    this.markdown = new MarkdownView();
    this.tokens = new TokenView();
    this.tokens.element.hidden = true;
    this.calls = new ToolCallsView();
    this.thought = document.createTextNode("");
    this.reasoning = el(
      "details",
      { class: "reasoning", hidden: true },
      el("summary", { t: "chat.reasoning" }),
      el("div", { class: "reasoning-text" }, this.thought),
    );
    this.waiting = el("div", { class: "waiting", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.trouble = el("div", { class: "trouble-place" });
    this.foot = el("div", { class: "turn-foot" });
    this.element = el(
      "article",
      { class: "turn assistant", "aria-busy": "true", "t:aria-label": "chat.assistant" },
      el("p", { class: "turn-model" }, model),
      this.reasoning,
      this.waiting,
      this.markdown.element,
      this.tokens.element,
      this.calls.element,
      this.trouble,
      this.foot,
    );
  }

  /** Show what has come since the last time. */
  show() {
    const { content, reasoning, calls, tokens } = this.answer;
    this.markdown.append(content.slice(this.markdown.text.length));
    this.thought.appendData(reasoning.slice(this.#numReasoning));
    this.#numReasoning = reasoning.length;
    this.reasoning.hidden = !reasoning;
    this.calls.show(calls);
    if (tokens.length > this.#numTokens) this.#showTokens(tokens.slice(this.#numTokens));
    this.waiting.hidden = Boolean(content || calls.length);
  }

  #showTokens(added) {
    if (!this.#numTokens) this.#showAs(true);
    this.#numTokens += added.length;
    this.tokens.append(added);
  }

  #showAs(isTokens) {
    this.tokens.element.hidden = !isTokens;
    this.markdown.element.hidden = isTokens;
  }

  /** No more comes. `outcome` is told instead of the finish reason, if given. */
  finish(figures, outcome) {
    this.show();
    this.waiting.hidden = true;
    this.element.removeAttribute("aria-busy");
    this.calls.finish(this.answer.calls.filter(Boolean), this.chat);
    replace(this.foot, figuresLine(figures, outcome), el("div", { class: "actions" }, this.#buttons()));
  }

  #buttons() {
    return [
      this.#numTokens > 0 && this.#tokensButton(),
      copyAction(() => this.answer.content),
      action("redo", "chat.regenerate", () => this.chat.regenerate(this)),
      action("trash", "chat.delete", () => this.chat.remove(this)),
    ];
  }

  #tokensButton() {
    const button = el("button", { type: "button", class: "action wide" });
    const show = () => bind(button, "", this.tokens.element.hidden ? "tokens.show" : "tokens.hide");
    button.addEventListener("click", () => {
      this.#showAs(this.tokens.element.hidden);
      show();
    });
    show();
    return button;
  }

  fail(error) {
    replace(
      this.trouble,
      errorBox(error, () => this.chat.regenerate(this)),
    );
  }
}
