// The server's models.

import { request } from "./api.js";
import { el, replace } from "./dom.js";
import { recall, remember } from "./storage.js";

const listeners = new Set();
let known = null;

/** Ask the server: a list of `{id, task, max_model_len}`, and tell whoever listens. */
export async function listModels() {
  const answer = await request("v1/models");
  known = answer.data;
  for (const listener of [...listeners]) listener(known);
  return known;
}

/** The models of the last answer. */
export function knownModels() {
  return known ?? [];
}

/** Call `listener` with each new list. Returns what ends that. */
export function onModels(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What the server says of one model beside the list: its `capabilities` too. */
export async function describeModel(id) {
  return await request(`v1/models/${id.split("/").map(encodeURIComponent).join("/")}`);
}

/** A <select> of the models for a task; it follows the list, and `name` remembers the choice. */
export function modelSelect(task, name = task) {
  const select = el("select", { class: "select", required: true });
  const show = () => {
    const wanted = select.value || recall(`model.${name}`);
    const ids = knownModels()
      .filter((model) => model.task === task)
      .map((model) => model.id);
    replace(select, ids.length ? ids.map((id) => el("option", { value: id }, id)) : none());
    select.disabled = ids.length === 0;
    select.value = ids.includes(wanted) ? wanted : (ids[0] ?? "");
    select.dispatchEvent(new Event("modelshown"));
  };
  select.addEventListener("change", () => remember(`model.${name}`, select.value));
  onModels(show);
  show();
  return select;
}

/** The sentence of `key`, shown if the list has no model for `select`; `button` needs one. */
export function missingModel(select, button, key) {
  const note = el("p", { class: "hint", t: key });
  const show = () => (note.hidden = known === null || select.value !== "");
  select.addEventListener("modelshown", show);
  show();
  needsModel(button, select);
  return note;
}

/** Have `button` disabled as long as `select` has no model: before the list is there, or in it. */
export function needsModel(button, select) {
  const show = () => (button.disabled = select.value === "");
  select.addEventListener("modelshown", show);
  show();
}

function none() {
  return el("option", { value: "", t: known ? "app.no_models" : "app.loading" });
}
