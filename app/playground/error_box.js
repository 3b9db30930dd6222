// A failure as the reader sees it.

import { el } from "./dom.js";

// Failures for which the server has no words.
const KINDS = new Set(["unreachable", "cut", "garbled", "unloaded"]);

/** The server's message with its code and field, and a button if it can be tried again. */
export function errorBox(error, retry = null) {
  return el(
    "div",
    { class: "error", role: "alert" },
    el("p", { class: "error-message" }, message(error)),
    el("p", { class: "error-facts" }, facts(error)),
    retry && el("button", { type: "button", class: "button small", onclick: retry, t: "app.retry" }),
  );
}

function message(error) {
  if (KINDS.has(error.kind)) return el("span", { t: `error.${error.kind}` });
  return error.message || el("span", { t: ["error.status", { status: error.status }] });
}

function facts(error) {
  const found = [
    error.status >= 400 && ["error.http", error.status],
    error.code && ["error.code", error.code],
    error.param && ["error.param", error.param],
  ].filter(Boolean);
  return found.map(([key, value]) => [
    el("span", { class: "fact" }, el("span", { t: key }), " ", el("code", {}, String(value))),
  ]);
}
