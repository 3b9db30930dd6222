// What the server's metrics say, model by model; docs/metrics.md has their names.

const NAME = "openai_api_";
// What is open without a key (OPEN_RULES of app/web/access.py), and the metrics: no work for a model.
export const OWN_ROUTES = new Set([
  ...["/", "/playground/<path:name>", "/docs", "/docs/<path:name>", "/openapi.json"],
  ...["/health", "/livez", "/readyz", "/version", "/metrics"],
]);
// The label of what is none of the server's own routes.
const NONE = "-";
// Workers tell their tokens once a second, so a rate over less would jump.
export const WINDOW_SECONDS = 10;

/** The figures of a Scrape; a number is null where the server does not give it. */
export function figuresOf(scrape) {
  const sum = (name, labels) => scrape.sum(NAME + name, labels);
  return {
    open: sum("open_requests"),
    running: sum("requests_running"),
    waiting: sum("requests_waiting"),
    completionTokens: sum("completion_tokens_total"),
    promptTokens: sum("prompt_tokens_total"),
    requests: requestsOf(scrape).reduce((all, sample) => all + sample.value, 0),
    models: (name) => modelFigures(sum, scrape, name),
    errors: errorsOf(scrape),
    statuses: statusesOf(scrape),
  };
}

function modelFigures(sum, scrape, model) {
  const count = sum("time_to_first_token_seconds_count", { model });
  return {
    running: sum("requests_running", { model }),
    waiting: sum("requests_waiting", { model }),
    completionTokens: sum("completion_tokens_total", { model }),
    promptTokens: sum("prompt_tokens_total", { model }),
    cancelled: sum("cancelled_total", { model }),
    firstToken: count ? sum("time_to_first_token_seconds_sum", { model }) / count : null,
    leftAlone: scrape.of(`${NAME}backend_breaker_state`)
      .filter((sample) => sample.labels.model === model && sample.value > 0)
      .map((sample) => Number(sample.labels.replica) + 1),
  };
}

function errorsOf(scrape) {
  const found = scrape.of(`${NAME}backend_errors_total`).filter((sample) => sample.value > 0);
  const rows = found.map(({ labels, value }) => ({ model: labels.model, kind: labels.kind, count: value }));
  return rows.sort((a, b) => b.count - a.count);
}

function requestsOf(scrape) {
  return scrape.of(`${NAME}requests_total`).filter((sample) => !OWN_ROUTES.has(sample.labels.route));
}

/** `{codes, rows}`: how many requests of each route, as a Map by the codes of their answers. */
function statusesOf(scrape) {
  const rows = new Map();
  for (const { labels, value } of requestsOf(scrape)) {
    const counts = rows.get(labels.route) ?? new Map();
    rows.set(labels.route, counts.set(labels.status, (counts.get(labels.status) ?? 0) + value));
  }
  const codes = [...new Set([...rows.values()].flatMap((counts) => [...counts.keys()]))].sort();
  const sorted = [...rows].sort(([, one], [, other]) => total(other) - total(one));
  return { codes, rows: sorted.map(([route, counts]) => ({ route: route === NONE ? "" : route, counts })) };
}

function total(counts) {
  return [...counts.values()].reduce((sum, value) => sum + value, 0);
}

/** How fast counters grow, from scrapes of the last seconds. */
export class Rates {
  #kept = [];

  /** Remember figures of the time `seconds`; what is older than the window is forgotten. */
  add(seconds, figures) {
    this.#kept.push({ seconds, figures });
    while (this.#kept.length > 2 && this.#kept[1].seconds <= seconds - WINDOW_SECONDS) this.#kept.shift();
  }

  forget() {
    this.#kept = [];
  }

  /** Of a number that `read` takes from figures, each second; null before the second scrape. */
  of(read) {
    if (this.#kept.length < 2) return null;
    const [first, last] = [this.#kept[0], this.#kept.at(-1)];
    const [before, now] = [read(first.figures), read(last.figures)];
    if (before == null || now == null) return null;
    // A server that has begun anew counts from 0.
    return Math.max(0, now - before) / (last.seconds - first.seconds);
  }
}
