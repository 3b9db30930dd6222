// Copying texts, also where the page came over plain HTTP and has no clipboard of its own.

import { el } from "./dom.js";
import { bind, t } from "./i18n.js";

const SHOWN_MS = 1600;

/** Whether the text is now in the clipboard. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const area = el("textarea", { class: "offscreen", readonly: true, "aria-hidden": "true" });
  area.value = text;
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  before?.focus();
  return copied;
}

/** A button that copies what `getText` gives, and says so. */
export function copyButton(getText, key = "app.copy", attributes = {}) {
  const button = el("button", { type: "button", class: "button small quiet", ...attributes, t: key });
  button.addEventListener("click", async () => {
    const copied = await copyText(getText());
    bind(button, "", copied ? "app.copied" : "app.not_copied");
    setTimeout(() => bind(button, "", key), SHOWN_MS);
    document.dispatchEvent(new CustomEvent("say", { detail: t(copied ? "app.copied" : "app.not_copied") }));
  });
  return button;
}
