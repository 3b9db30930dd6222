// The last values of a number as a line; the number itself stands beside it.

import { el } from "./dom.js";
import { svg } from "./svg.js";

const WIDTH = 120;
const HEIGHT = 28;
const MOST = 60;
const LEAST = 12;

export class Sparkline {
  #values = [];
  #line = svg("polyline", { class: "spark-line", points: "" });

  constructor() {
    const box = `0 0 ${WIDTH} ${HEIGHT}`;
    this.element = el("div", { class: "spark", "aria-hidden": "true" },
      svg("svg", { viewBox: box, preserveAspectRatio: "none" }, this.#line));
  }

  /** Add a value; null is a gap that is drawn as 0. */
  add(value) {
    this.#values = [...this.#values, value ?? 0].slice(-MOST);
    const highest = Math.max(...this.#values) || 1;
    const step = WIDTH / (Math.max(LEAST, this.#values.length) - 1);
    const begin = WIDTH - (this.#values.length - 1) * step;
    const points = this.#values.map((each, index) =>
      `${(begin + index * step).toFixed(1)},${(HEIGHT - 2 - (each / highest) * (HEIGHT - 4)).toFixed(1)}`);
    this.#line.setAttribute("points", points.join(" "));
  }
}
