// What the events of a streamed completion add up to.

export class CompletionAnswer {
  text = "";
  tokens = [];

  /** Whether the event brought something to be seen. */
  take(event) {
    const choice = event.choices?.[0];
    if (!choice) return false;
    this.text += choice.text ?? "";
    this.tokens.push(...tokensOf(choice.logprobs));
    return Boolean(choice.text);
  }
}

function tokensOf(logprobs) {
  if (!logprobs) return [];
  return logprobs.tokens.map((text, at) => ({
    text,
    logprob: logprobs.token_logprobs[at],
    top: Object.entries(logprobs.top_logprobs?.[at] ?? {}).map(([other, logprob]) => ({ text: other, logprob })),
  }));
}
