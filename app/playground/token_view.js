// Tokens coloured by how likely the model found them. The line below each says the same, and the
// arrow keys go from token to token.

import { el, replace } from "./dom.js";
import { language, t } from "./i18n.js";

// The least probability of each class.
export const CLASSES = [0.9, 0.5, 0.2, 0.05, 0];
const NO_LOGPROB = -9999;

export function probability(logprob) {
  return logprob === null || logprob === undefined ? null : logprob <= NO_LOGPROB ? 0 : Math.exp(logprob);
}

/** 0 for the likeliest; null where nothing is known. */
export function likelihoodClass(logprob) {
  const p = probability(logprob);
  return p === null ? null : CLASSES.findIndex((least) => p >= least);
}

export class TokenView {
  #tokens = [];
  #active = -1;

  constructor() {
    this.list = el("div", { class: "tokens", tabindex: "0", role: "group", "t:aria-label": "tokens.label" });
    this.detail = el("p", { class: "token-detail", role: "status" });
    this.element = el("div", { class: "token-view" }, this.list, legend(), this.detail);
    this.list.addEventListener("click", (event) => this.#select(Number(event.target.dataset?.at ?? -1)));
    this.list.addEventListener("keydown", (event) => this.#move(event));
  }

  get count() {
    return this.#tokens.length;
  }

  /** `tokens` are `{text, logprob, top: [{text, logprob}]}`. */
  append(tokens) {
    this.list.append(...tokens.map((token, at) => tokenElement(token, this.#tokens.length + at)));
    this.#tokens.push(...tokens);
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    this.#select(Math.min(Math.max(this.#active + step, 0), this.#tokens.length - 1));
  }

  #select(at) {
    const token = this.#tokens[at];
    if (!token) return;
    this.list.children[this.#active]?.classList.remove("active");
    this.#active = at;
    this.list.children[at].classList.add("active");
    this.list.children[at].scrollIntoView({ block: "nearest" });
    replace(this.detail, describe(token).join(" · "));
  }
}

function tokenElement(token, at) {
  const kind = likelihoodClass(token.logprob);
  const text = token.text.replaceAll("\n", "↵\n");
  return el(
    "span",
    { class: kind === null ? "token" : `token likely-${kind}`, dataset: { at }, title: describe(token).join("\n") },
    text,
  );
}

/** The token and its alternatives, one line each. */
function describe({ text, logprob, top }) {
  const others = top.filter((each) => each.text !== text).sort((one, other) => other.logprob - one.logprob);
  return [{ text, logprob }, ...others].map(line);
}

function line({ text, logprob }) {
  const p = probability(logprob);
  const shown = JSON.stringify(text);
  return p === null ? `${shown} ${t("tokens.unknown")}` : `${shown} ${percent(p)} (${logprob.toFixed(3)})`;
}

function percent(p) {
  return new Intl.NumberFormat(language(), { style: "percent", maximumFractionDigits: 1 }).format(p);
}

function legend() {
  const labels = ["≥ 90 %", "50–90 %", "20–50 %", "5–20 %", "< 5 %"];
  return el(
    "p",
    { class: "legend-line" },
    el("span", { t: "tokens.legend" }),
    labels.map((label, kind) => el("span", { class: `token likely-${kind}` }, label)),
  );
}
