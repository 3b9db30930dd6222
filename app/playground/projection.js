// Points of a plane with their numbers, and with their texts where there is room.

import { el, replace } from "./dom.js";
import { svg } from "./svg.js";

const MARGIN = 26;
const RADIUS = 11;
const LINE = 16;
const MOST_LETTERS = 30;
const NARROW = 460;
const MOST_STEPS = 40;

/** `points` are `[x, y]` around 0. Drawn anew for each width that the element gets. */
export function projection(points, texts) {
  const frame = el("div", { class: "plot", role: "img", "t:aria-label": ["embeddings.plot", { n: points.length }] });
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width > 0 && width !== frame.drawnWidth) replace(frame, draw(points, texts, (frame.drawnWidth = width)));
  }).observe(frame);
  return frame;
}

function draw(points, texts, width) {
  const height = Math.round(Math.max(240, Math.min(420, width * 0.58)));
  const places = apart(placed(points, width, height), width, height);
  const taken = places.map(([x, y]) => box(x - RADIUS, y - RADIUS, RADIUS * 2, RADIUS * 2));
  const labels = width < NARROW ? [] : places.map((place, index) => label(place, texts[index], taken, width, height));
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    ...axes(places, width, height), ...labels.filter(Boolean),
    ...places.map((place, index) => point(place, index, texts[index])));
}

/** The points in pixels, with the same scale on both axes. */
function placed(points, width, height) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [spanX, spanY] = [xs, ys].map((values) => Math.max(...values) - Math.min(...values));
  const scale = Math.min((width - 2 * MARGIN) / (spanX || 1), (height - 2 * MARGIN) / (spanY || 1));
  const [midX, midY] = [xs, ys].map((values) => (Math.max(...values) + Math.min(...values)) / 2);
  return points.map(([x, y]) => [width / 2 + (x - midX) * scale, height / 2 - (y - midY) * scale]);
}

/** The places, those that would cover each other moved by as much as it takes to see both. */
function apart(places, width, height) {
  for (let step = 0; step < MOST_STEPS; step += 1) {
    let moved = false;
    places.forEach((one, index) => {
      for (const other of places.slice(index + 1)) moved = push(one, other) || moved;
    });
    if (!moved) break;
  }
  return places.map(([x, y]) => [within(x, width), within(y, height)]);
}

function push(one, other) {
  const [dx, dy] = [other[0] - one[0], other[1] - one[1]];
  const distance = Math.hypot(dx, dy);
  const lack = 2 * RADIUS + 1 - distance;
  if (lack <= 0.01) return false;
  // The same text twice: side by side.
  const [ux, uy] = distance > 0.01 ? [dx / distance, dy / distance] : [1, 0];
  one[0] -= (ux * lack) / 2;
  one[1] -= (uy * lack) / 2;
  other[0] += (ux * lack) / 2;
  other[1] += (uy * lack) / 2;
  return true;
}

function within(value, size) {
  return Math.max(RADIUS + 2, Math.min(size - RADIUS - 2, value));
}

function axes(places, width, height) {
  // Where 0 lies: the mean of all texts.
  const mean = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length);
  return [
    svg("line", { class: "axis", x1: 0, x2: width, y1: mean[1], y2: mean[1] }),
    svg("line", { class: "axis", x1: mean[0], x2: mean[0], y1: 0, y2: height }),
  ];
}

function point([x, y], index, text) {
  const number = svg("text", { class: "point-number", x, y: y + 4, "text-anchor": "middle" }, String(index + 1));
  return svg("g", { class: "point" }, svg("title", {}, text), svg("circle", { cx: x, cy: y, r: RADIUS }), number);
}

/** The text beside its point where it covers nothing, null if there is no such place. */
function label([x, y], text, taken, width, height) {
  const words = text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1).trimEnd()}…` : text;
  const long = lengthOf(words);
  const gap = RADIUS + 5;
  const tries = [
    { anchor: "start", x: x + gap, left: x + gap, top: y - LINE / 2 },
    { anchor: "end", x: x - gap, left: x - gap - long, top: y - LINE / 2 },
    { anchor: "middle", x, left: x - long / 2, top: y - gap - LINE + 2 },
    { anchor: "middle", x, left: x - long / 2, top: y + gap - 2 },
  ].map((one) => ({ ...one, ...box(one.left, one.top, long, LINE) }));
  const free = tries.find((one) => isInside(one, width, height) && !taken.some((other) => overlap(one, other)));
  if (!free) return null;
  taken.push(free);
  return svg("text", { class: "point-label", x: free.x, y: free.top + 12, "text-anchor": free.anchor }, words);
}

function lengthOf(text) {
  // Pixels at 12 px, with Chinese letters as wide as high.
  return [...text].reduce((sum, letter) => sum + (letter.codePointAt(0) > 0x2e7f ? 12.2 : 6.6), 0);
}

function box(left, top, width, height) {
  return { left, top, right: left + width, bottom: top + height };
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function isInside(one, width, height) {
  return one.left >= 2 && one.top >= 2 && one.right <= width - 2 && one.bottom <= height - 2;
}
