// Texts of the page in the reader's language. Elements that are bound follow a change of it.

import { recall, remember } from "./storage.js";
import en from "./texts/en.js";
import enEncoders from "./texts/en_encoders.js";
import zh from "./texts/zh.js";
import zhEncoders from "./texts/zh_encoders.js";

export const LANGUAGES = { en: "English", zh: "中文" };
const TEXTS = { en: { ...en, ...enEncoders }, zh: { ...zh, ...zhEncoders } };

let current = first();
const listeners = new Set();
// Weak, so that what leaves the page is forgotten.
const bound = new Set();
const gone = new FinalizationRegistry((reference) => bound.delete(reference));

function first() {
  const kept = recall("language");
  if (kept in LANGUAGES) return kept;
  const wanted = globalThis.navigator?.languages ?? [];
  return wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in LANGUAGES) ?? "en";
}

export function language() {
  return current;
}

/** The text of a key; `{name}` in it becomes the parameter of that name. */
export function t(key, params = {}) {
  const text = TEXTS[current][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(params[name] ?? whole));
}

/** Call `listener` after each change of the language. Returns what ends that. */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setLanguage(name) {
  if (!(name in LANGUAGES)) return;
  current = name;
  remember("language", name);
  showLanguage();
  for (const reference of bound) reference.deref()?.i18nUpdate();
  for (const listener of [...listeners]) listener();
}

/** Tell the browser and screen readers which language the page is in. */
export function showLanguage() {
  document.documentElement.lang = current === "zh" ? "zh-Hans" : current;
  document.title = t("app.title");
}

/** Keep an element's text, or an attribute of it, at the text of `key`. */
export function bind(element, attribute, key, params) {
  if (!element.i18nBindings) register(element);
  element.i18nBindings.set(attribute, [key, params]);
  write(element, attribute, key, params);
}

function register(element) {
  element.i18nBindings = new Map();
  element.i18nUpdate = () => {
    for (const [attribute, [key, params]] of element.i18nBindings) write(element, attribute, key, params);
  };
  const reference = new WeakRef(element);
  bound.add(reference);
  gone.register(element, reference);
}

function write(element, attribute, key, params) {
  if (attribute === "") element.textContent = t(key, params);
  else element.setAttribute(attribute, t(key, params));
}
