// Light or dark: as the system says, or as chosen.

import { recall, remember } from "./storage.js";

export const THEMES = ["auto", "light", "dark"];

export function theme() {
  const kept = recall("theme");
  return THEMES.includes(kept) ? kept : "auto";
}

export function setTheme(name) {
  remember("theme", name === "auto" ? null : name);
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}
