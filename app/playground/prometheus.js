// Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { n: "\n", "\\": "\\", '"': '"' };
const NUMBERS = { "+Inf": Infinity, Inf: Infinity, "-Inf": -Infinity };

/** A scrape: what can be asked of its samples, each `{name, labels, value}`. */
export class Scrape {
  #samples = new Map();

  constructor(text) {
    for (const line of text.split("\n")) {
      const sample = parseLine(line);
      if (sample) this.of(sample.name).push(sample);
    }
  }

  get isEmpty() {
    return this.#samples.size === 0;
  }

  /** The samples of a name; an empty list if there is none. */
  of(name) {
    if (!this.#samples.has(name)) this.#samples.set(name, []);
    return this.#samples.get(name);
  }

  /** The sum of those samples that have these labels; null if there is none. */
  sum(name, labels = {}) {
    const found = this.of(name).filter((sample) => hasLabels(sample, labels));
    return found.length ? found.reduce((sum, { value }) => sum + value, 0) : null;
  }

  /** The sums by the value of a label. */
  by(name, label) {
    const sums = new Map();
    for (const { labels, value } of this.of(name)) {
      sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
    }
    return sums;
  }
}

function parseLine(line) {
  const found = line.startsWith("#") ? null : SAMPLE.exec(line);
  if (!found) return null;
  const [, name, labels = "", value] = found;
  return { name, labels: parseLabels(labels), value: NUMBERS[value] ?? Number(value) };
}

function parseLabels(text) {
  const found = [...text.matchAll(LABEL)];
  return Object.fromEntries(found.map(([, name, value]) => [name, value.replace(/\\(.)/g, unescaped)]));
}

function unescaped(whole, character) {
  return ESCAPES[character] ?? whole;
}

function hasLabels(sample, labels) {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}
