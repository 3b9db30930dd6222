// One streamed request of a view: its figures, and how it ended.

import { stream } from "./api.js";
import { Figures } from "./figures.js";

// Counted in each event, so that the figures of an answer that is stopped are known too.
const COUNTING = { include_usage: true, continuous_usage_stats: true };

export class Run {
  #control = new AbortController();

  /** `take(event)` says whether the event brought something to be seen. */
  constructor(path, body, take) {
    Object.assign(this, { path, body, take });
    this.figures = new Figures(performance.now());
  }

  /** Ends the request: the server then ends it in Triton, too. */
  stop() {
    this.#control.abort();
  }

  /** Gives `"finished"` or `"stopped"`. Raises ApiError. */
  async finish() {
    const body = { ...this.body, stream: true, stream_options: COUNTING };
    const onEvent = (event) => this.figures.take(event, this.take(event), performance.now());
    try {
      await stream(this.path, body, { signal: this.#control.signal, onEvent });
      return "finished";
    } catch (error) {
      if (error.name === "AbortError") return "stopped";
      throw error;
    }
  }
}
