// The API key. It stays in this browser: for as long as the tab is open, or until it is removed.

import { recall, remember } from "./storage.js";

const listeners = new Set();

export function getKey() {
  return recall("key", "sessionStorage") ?? recall("key") ?? "";
}

export function isKept() {
  return recall("key") !== null;
}

/** Keep the key for this tab, or with `keeps` also for later visits; an empty one is removed. */
export function setKey(key, keeps = false) {
  remember("key", key, "sessionStorage");
  remember("key", keeps ? key : null);
  tell("changed");
}

/** Called by what was refused for want of a key. */
export function askForKey() {
  tell("needed");
}

/** Call `listener` with "changed" or "needed". Returns what ends that. */
export function onKey(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(what) {
  for (const listener of [...listeners]) listener(what);
}
