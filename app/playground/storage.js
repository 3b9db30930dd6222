// What the browser remembers. Storage can be forbidden or full; then nothing is remembered.

const PREFIX = "openai_api.";

export function recall(name, storage = "localStorage") {
  try {
    return globalThis[storage].getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Null or an empty text forgets it. */
export function remember(name, value, storage = "localStorage") {
  try {
    if (value) globalThis[storage].setItem(PREFIX + name, value);
    else globalThis[storage].removeItem(PREFIX + name);
  } catch {
    // The page works without.
  }
}
