// The calls of an answer, and fields for what the tools say.

import { copyButton } from "./clipboard.js";
import { el, field, replace } from "./dom.js";

export class ToolCallsView {
  #shown = [];

  constructor() {
    this.element = el("div", { class: "tool-calls" });
  }

  /** The calls as far as they are known. */
  show(calls) {
    calls.forEach((call, at) => {
      this.#shown[at] ??= this.#add();
      const { name, text } = this.#shown[at];
      if (name.textContent !== call.name) name.textContent = call.name;
      text.data = call.arguments;
    });
  }

  #add() {
    const [name, text] = [el("code", { class: "tool-name" }), document.createTextNode("")];
    const foot = el("div", { class: "tool-foot" });
    const head = el(
      "div",
      { class: "tool-head" },
      el("span", { class: "tool-label", t: "tools.call" }),
      name,
      el("span", { class: "grow" }),
      copyButton(() => text.data),
    );
    this.element.append(
      el("div", { class: "tool-call" }, head, el("pre", { tabindex: "0" }, el("code", {}, text)), foot),
    );
    return { name, text, foot };
  }

  /** The answer is complete: the arguments are laid out, and `chat` is told what the tools said. */
  finish(calls, chat) {
    if (!calls.length) return;
    this.show(calls);
    const inputs = calls.map((call, at) => this.#resultField(call, this.#shown[at]));
    const send = () => {
      if (!chat.canAsk()) return;
      calls.forEach((call, at) => {
        call.result = inputs[at].value;
        replace(this.#shown[at].foot, el("p", { class: "legend", t: "tools.result" }), el("pre", {}, call.result));
      });
      button.remove();
      chat.goOn();
    };
    const attributes = { type: "button", class: "button", dataset: { action: "answer" } };
    const button = el("button", { ...attributes, onclick: send, t: "tools.send" });
    this.element.append(button);
  }

  #resultField(call, { text, foot }) {
    text.data = prettyJson(call.arguments);
    const input = el("textarea", {
      class: "mono",
      rows: "2",
      spellcheck: "false",
      "t:placeholder": "tools.placeholder",
    });
    replace(foot, field("tools.result", input));
    return input;
  }
}

/** JSON with line breaks; what is none stays as it is. */
export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
