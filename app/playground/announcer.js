// What a screen reader is told of what happens elsewhere on the page.

import { el } from "./dom.js";

const region = el("div", { class: "offscreen", role: "status", "aria-live": "polite" });

/** The region, to be put into the page before anything is announced. */
export function announcer() {
  document.addEventListener("say", (event) => announce(event.detail));
  return region;
}

/** Have `text` read when the reader is not busy. */
export function announce(text) {
  // The same text again is a change only if there was another between.
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 50);
}
