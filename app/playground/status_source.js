// What the server says of itself: its readiness, and its metrics where they can be read.

import { text } from "./api.js";
import { onKey } from "./key.js";
import { Scrape } from "./prometheus.js";
import { figuresOf } from "./server_figures.js";

// The codes of errors that say why there are no metrics here.
const HIDDEN_BY = { invalid_api_key: "key", not_found: "elsewhere", rate_limit_exceeded: "limit" };
const REFUSALS = [401, 403, 404, 429];

export class StatusSource {
  #hiddenBy = null;

  constructor() {
    this.end = onKey((what) => {
      if (what === "changed" && this.#hiddenBy === "key") this.#hiddenBy = null;
    });
  }

  /** The version of the server. Raises ApiError. */
  async version() {
    return JSON.parse(await text("version")).version;
  }

  /** `{status, models}` of /readyz. Raises ApiError. */
  async readiness() {
    return JSON.parse(await text("readyz", { accepts: [503] }));
  }

  /**
   * `{figures}`, or `{hiddenBy}`: "key" where a key is missing, "elsewhere" where this address does
   * not have the metrics, "limit" where the key may not ask so often. It does not ask the reader
   * for a key. Raises ApiError.
   */
  async metrics() {
    // Not asked again before there is another key: each time would be a refusal in the server's log.
    if (this.#hiddenBy) return { hiddenBy: this.#hiddenBy };
    const answer = await text("metrics", { accepts: REFUSALS });
    const scrape = new Scrape(answer);
    if (!scrape.isEmpty) return { figures: figuresOf(scrape) };
    // A proxy's refusal is no JSON.
    const hiddenBy = HIDDEN_BY[codeOf(answer)] ?? "elsewhere";
    if (hiddenBy !== "limit") this.#hiddenBy = hiddenBy;
    return { hiddenBy };
  }
}

function codeOf(answer) {
  try {
    return JSON.parse(answer).error.code;
  } catch {
    return null;
  }
}
