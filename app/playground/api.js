// Requests to the server that this page came from. The key goes nowhere else.

import { askForKey, getKey } from "./key.js";
import { EventReader } from "./sse.js";

// Also below a prefix that a proxy adds.
export const BASE = new URL("..", import.meta.url);

/** What went wrong. `status` is 0 where there was no answer; `kind` then says what happened. */
export class ApiError extends Error {
  constructor(status, { message = "", code = null, param = null } = {}, kind = "answer") {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, param, kind });
  }
}

/** The answer's JSON. Raises ApiError; an AbortError if `signal` ended it. */
export async function request(path, options = {}) {
  const response = await send(path, options);
  return readJson(await response.text().catch(raiseUnlessAborted));
}

/** The answer as text; `accepts` are statuses of errors that are an answer, too. */
export async function text(path, options = {}) {
  const response = await send(path, options);
  return await response.text().catch(raiseUnlessAborted);
}

/** Call `onEvent` with each event of a streamed answer. Ends when the stream does. */
export async function stream(path, body, { signal, onEvent }) {
  const response = await send(path, { method: "POST", body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  try {
    for (;;) {
      const { value, done } = await reader.read().catch(raiseUnlessAborted);
      if (done) throw new ApiError(0, {}, "cut");
      for (const data of events.push(value)) {
        if (data === "[DONE]") return;
        onEvent(parsed(data));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(data) {
  const event = readJson(data);
  if (event.error) throw new ApiError(200, event.error);
  return event;
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(0, {}, "garbled");
  }
}

async function send(path, { method = "GET", body, signal, accepts = [] }) {
  const response = await fetch(new URL(path.replace(/^\//, ""), BASE), {
    method,
    signal,
    headers: headers(body),
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    credentials: "same-origin",
    redirect: "error",
  }).catch(raiseUnlessAborted);
  if (response.ok || accepts.includes(response.status)) return response;
  if (response.status === 401) askForKey();
  throw await refusal(response);
}

function headers(body) {
  const key = getKey();
  return {
    ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
  };
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  // A proxy's own errors are no JSON.
  return new ApiError(response.status, body?.error ?? { message: response.statusText });
}

function raiseUnlessAborted(error) {
  if (error.name === "AbortError" || error instanceof ApiError) throw error;
  throw new ApiError(0, {}, "unreachable");
}
