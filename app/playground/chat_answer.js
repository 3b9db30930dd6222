// What the events of a streamed chat add up to, and the messages that a conversation becomes.

export class ChatAnswer {
  content = "";
  reasoning = "";
  calls = [];
  tokens = [];

  /** Whether the event brought something to be seen. */
  take(event) {
    const choice = event.choices?.[0];
    if (!choice) return false;
    const delta = choice.delta ?? {};
    this.content += delta.content ?? "";
    this.reasoning += delta.reasoning_content ?? "";
    for (const part of delta.tool_calls ?? []) this.#call(part);
    this.tokens.push(...(choice.logprobs?.content ?? []).map(token));
    return Boolean(delta.content || delta.reasoning_content || delta.tool_calls?.length);
  }

  #call({ index, id, function: called = {} }) {
    const call = (this.calls[index] ??= { id: "", name: "", arguments: "", result: null });
    call.id = id ?? call.id;
    call.name += called.name ?? "";
    call.arguments += called.arguments ?? "";
  }

  get isEmpty() {
    return !this.content && !this.calls.length;
  }
}

function token({ token: text, logprob, top_logprobs: top = [] }) {
  return { text, logprob, top: top.map((each) => ({ text: each.token, logprob: each.logprob })) };
}

/** The body's messages. `turns` are `{role: "user", text}` and `{role: "assistant", answer}`. */
export function messagesOf(system, turns) {
  const begin = system.trim() ? [{ role: "system", content: system }] : [];
  return [...begin, ...turns.flatMap(turnMessages)];
}

function turnMessages(turn) {
  if (turn.role === "user") return [{ role: "user", content: turn.text }];
  const { answer } = turn;
  if (answer.isEmpty) return [];
  const calls = answer.calls.filter(Boolean);
  const message = { role: "assistant", content: answer.content || (calls.length ? null : "") };
  if (calls.length) message.tool_calls = calls.map(asToolCall);
  return [message, ...calls.filter((call) => call.result !== null).map(asResult)];
}

function asToolCall({ id, name, arguments: given }) {
  return { id, type: "function", function: { name, arguments: given } };
}

function asResult({ id, result }) {
  return { role: "tool", tool_call_id: id, content: result };
}
