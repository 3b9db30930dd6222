// How the server and its models are, as long as this view is open.

import { el, replace } from "../dom.js";
import { errorBox } from "../error_box.js";
import { bind, t } from "../i18n.js";
import { Polling } from "../polling.js";
import { figures as facts } from "../request_form.js";
import { Rates } from "../server_figures.js";
import { Sparkline } from "../sparkline.js";
import { StatusSource } from "../status_source.js";
import { count, errorsTable, modelsTable, rate, requestsTable } from "../status_tables.js";

export const id = "status";
export const titleKey = "status.title";

const EVERY_SECONDS = 2;

let open = null;

export function mount(container, context) {
  open = new StatusView(context);
  container.append(open.element);
  open.polling.start();
}

export function unmount() {
  open.polling.stop();
  open.source.end();
  open = null;
}

class StatusView {
  constructor(context) {
    this.context = context;
    this.source = new StatusSource();
    this.rates = new Rates();
    this.polling = new Polling(() => this.#refresh(), EVERY_SECONDS);
    this.spark = new Sparkline();
    this.parts = {
      trouble: el("div", {}), state: el("p", { class: "state" }), version: el("p", { class: "hint" }),
      facts: el("div", {}), note: el("div", {}), models: el("div", {}), errors: el("div", {}), requests: el("div", {}),
    };
    this.element = this.#layout();
  }

  #layout() {
    const { trouble, state, version, note, models, errors, requests } = this.parts;
    this.figureCards = el("div", { class: "halves", hidden: true },
      section("status.errors", errors), section("status.requests", requests, "status.requests_hint"));
    return el("div", { class: "stack status" }, trouble,
      el("section", { class: "card stack" },
        el("div", { class: "row" }, state, version, el("span", { class: "grow" }), this.#pauseButton()),
        this.parts.facts, note),
      section("status.models", models), this.figureCards);
  }

  #pauseButton() {
    const button = el("button", { type: "button", class: "button small", t: "status.pause" });
    button.addEventListener("click", () => {
      this.polling.pause(!this.polling.isPaused);
      bind(button, "", this.polling.isPaused ? "status.continue" : "status.pause");
    });
    return button;
  }

  async #refresh() {
    try {
      this.version ??= await this.source.version();
      // One after the other: the first is no open request in the second.
      const report = await this.source.readiness();
      const metrics = await this.source.metrics();
      replace(this.parts.trouble);
      this.#show(report, metrics);
    } catch (error) {
      // It goes on asking: a server that restarts comes back.
      this.rates.forget();
      if (!this.parts.trouble.firstChild) replace(this.parts.trouble, errorBox(error));
      if (error.name !== "ApiError") throw error;
    }
  }

  #show(report, { figures = null, hiddenBy = null }) {
    const { state, version, note, models } = this.parts;
    this.#tell(report);
    bind(state, "", `status.is_${report.status.replace(" ", "_")}`);
    state.className = `state ${report.status === "ready" ? "ok" : "bad"}`;
    bind(version, "", "status.version", { version: this.version });
    replace(note, hiddenBy && el("p", { class: "notice", t: `status.hidden_${hiddenBy}` }));
    if (figures) this.rates.add(performance.now() / 1000, figures);
    renew(models, modelsTable(report, this.context.models, figures, this.rates));
    this.figureCards.hidden = this.parts.facts.hidden = !figures;
    if (figures) this.#showFigures(figures);
  }

  #showFigures(figures) {
    const tokens = this.rates.of((all) => all.completionTokens);
    this.spark.add(tokens);
    replace(this.parts.facts, facts([
      ["status.running", count(figures.running)],
      ["status.waiting", count(figures.waiting)],
      ["status.out", [rate(tokens), this.spark.element]],
      ["status.in", rate(this.rates.of((all) => all.promptTokens))],
      ["status.requests_rate", rate(this.rates.of((all) => all.requests))],
      ["status.open", count(figures.open)],
    ]));
    renew(this.parts.errors, errorsTable(figures.errors));
    renew(this.parts.requests, requestsTable(figures.statuses));
  }

  /** Have a screen reader say what has become ready or not. */
  #tell(report) {
    const word = ({ ready }) => t(ready ? "status.ready" : "status.not_ready");
    const ready = Object.entries(report.models ?? {}).map(([name, state]) => `${name}: ${word(state)}`);
    const before = this.told;
    this.told = ready;
    const changed = ready.filter((line) => before && !before.includes(line));
    if (changed.length) this.context.announce(changed.join(", "));
  }
}

function section(key, content, hint = null) {
  const below = hint && el("p", { class: "hint", t: hint });
  return el("section", { class: "card stack" }, el("h2", { t: key }), content, below);
}

/** Put `fresh` in the place of what is there unless it reads the same: a selection stays. */
function renew(place, fresh) {
  const [old] = place.children;
  if (old?.isEqualNode(fresh)) return;
  const { left, top } = { left: old?.scrollLeft ?? 0, top: old?.scrollTop ?? 0 };
  const hasFocus = old !== undefined && old === document.activeElement;
  replace(place, fresh);
  fresh.scrollTo(left, top);
  if (hasFocus) fresh.focus();
}
