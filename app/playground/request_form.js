// A form that sends one request and shows what came of it.

import { el, replace } from "./dom.js";
import { errorBox } from "./error_box.js";

/**
 * Let `form` send: `answer(signal)` gives the elements to show in `output`. A request that is still
 * under way is given up for the next. `fields` are controls by their names in the request: one that
 * the server refuses is marked.
 */
export function sends(form, output, fields, answer) {
  let running = null;
  const show = (...children) => replace(output, ...children);
  const send = async () => {
    running?.abort();
    const own = (running = new AbortController());
    mark(fields, null);
    form.setAttribute("aria-busy", "true");
    try {
      show(await answer(own.signal));
    } catch (error) {
      if (own.signal.aborted) return;
      mark(fields, error.param);
      show(errorBox(error));
      if (error.name !== "ApiError") throw error;
    } finally {
      if (running === own) form.removeAttribute("aria-busy");
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // The keys send too, where the button could not be pressed.
    if (!form.querySelector("[type=submit]").disabled) send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

function mark(fields, refused) {
  for (const [name, control] of Object.entries(fields)) {
    // `input[2]` is told of `input`.
    const isRefused = refused != null && refused.split(/[.[]/)[0] === name;
    if (isRefused) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
}

/** The lines that are not empty. */
export function linesOf(control) {
  return control.value.split("\n").map((line) => line.trim()).filter(Boolean);
}

/** The number in a field, undefined if it is empty. */
export function numberOf(control) {
  return control.value.trim() === "" ? undefined : Number(control.value);
}

/** A term with its number for each `[key, text]`. */
export function figures(entries, attributes = {}) {
  const rows = entries.map(([key, value]) => el("div", {}, el("dt", { t: key }), el("dd", {}, value)));
  return el("dl", { class: "figures", ...attributes }, rows);
}

/** How long something took that began at `begin`, in milliseconds of performance.now(). */
export function elapsed(begin) {
  const time = performance.now() - begin;
  return time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(2)} s`;
}
