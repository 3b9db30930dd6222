// How many tokens an answer took, and how fast they came.

import { el } from "./dom.js";
import { language } from "./i18n.js";

// Pieces that come together say nothing of the time between them.
const LEAST_MS = 20;

/** Collects the figures of a stream; times are in milliseconds of one clock. */
export class Figures {
  promptTokens = null;
  completionTokens = null;
  finishReason = null;
  #first = null;
  #last = null;

  constructor(startedAt) {
    this.startedAt = startedAt;
  }

  /** An event of the stream that came at `now`; `hasText` if there is something to be seen in it. */
  take(event, hasText, now) {
    this.promptTokens = event.usage?.prompt_tokens ?? this.promptTokens;
    this.completionTokens = event.usage?.completion_tokens ?? this.completionTokens;
    this.finishReason = event.choices?.[0]?.finish_reason ?? this.finishReason;
    if (!hasText) return;
    this.#first ??= { at: now, tokens: this.completionTokens ?? 0 };
    this.#last = { at: now, tokens: this.completionTokens ?? 0 };
  }

  get firstTokenSeconds() {
    return this.#first && (this.#first.at - this.startedAt) / 1000;
  }

  /** Between the first piece and the last: the wait before has its own figure. */
  get tokensPerSecond() {
    const time = this.#first ? this.#last.at - this.#first.at : 0;
    const tokens = this.#first ? this.#last.tokens - this.#first.tokens : 0;
    return tokens > 0 && time >= LEAST_MS ? (tokens / time) * 1000 : null;
  }
}

/** The figures as a line; what is not known is left out. */
export function figuresLine(figures, outcome = null) {
  const { promptTokens, completionTokens, firstTokenSeconds, tokensPerSecond } = figures;
  const finish = outcome ?? figures.finishReason;
  return el(
    "dl",
    { class: "answer-figures" },
    item("prompt_tokens", promptTokens, 0),
    item("completion_tokens", completionTokens, 0),
    item("first_token", firstTokenSeconds, firstTokenSeconds < 1 ? 3 : 2, "s"),
    item("rate", tokensPerSecond, 1),
    finish && pair("finish", el("code", {}, finish)),
  );
}

function item(name, value, digits, unit = "") {
  if (value === null) return null;
  const shown = new Intl.NumberFormat(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return pair(name, `${shown.format(value)}${unit && ` ${unit}`}`);
}

function pair(name, value) {
  return el("div", { class: `figure figure-${name}` }, el("dt", { t: `figures.${name}` }), el("dd", {}, value));
}
