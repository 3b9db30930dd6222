// Events, what they add up to, and their figures.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatAnswer, messagesOf } from "../../../app/playground/chat_answer.js";
import { CompletionAnswer } from "../../../app/playground/completion_answer.js";
import { Figures } from "../../../app/playground/figures.js";
import { stopsOf } from "../../../app/playground/generation_settings.js";
import { EventReader } from "../../../app/playground/sse.js";
import { likelihoodClass, probability } from "../../../app/playground/token_view.js";
import { prettyJson } from "../../../app/playground/tool_calls.js";

const STREAM =
  ': keep-alive\n\ndata: {"a":"é\u{1f44b}"}\n\nevent: x\nid: 5\ndata:{"b":1}\n\n: keep-alive\n\ndata: one\ndata: two\n\ndata: [DONE]\n\n';
const EVENTS = ['{"a":"é\u{1f44b}"}', '{"b":1}', "one\ntwo", "[DONE]"];

test("a stream is the same wherever it is cut, with every kind of line end", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = STREAM.replaceAll("\n", end) + (end === "\r" ? "\r:" : "");
    for (let size = 1; size < 9; size += 1) {
      const reader = new EventReader();
      const found = [];
      for (let at = 0; at < text.length; at += size) found.push(...reader.push(text.slice(at, at + size)));
      assert.deepEqual(found, EVENTS, `${JSON.stringify(end)} in pieces of ${size}`);
    }
  }
});

test("an event that is not complete is not told", () => {
  assert.deepEqual(new EventReader().push("data: a\n"), []);
  assert.deepEqual(new EventReader().push("\n\n: x\n\nretry: 5\n\n"), []);
});

const event = (delta, more = {}) => ({ choices: [{ index: 0, delta, ...more }] });

test("a chat adds up", () => {
  const answer = new ChatAnswer();
  assert.equal(answer.take(event({ role: "assistant", content: "" })), false);
  assert.equal(answer.take(event({ reasoning_content: "hm" })), true);
  assert.equal(answer.take(event({ content: "a" })), true);
  assert.equal(answer.take(event({ content: "b" }, { logprobs: { content: [{ token: "b", logprob: -1 }] } })), true);
  assert.equal(answer.take(event({}, { finish_reason: "stop" })), false);
  assert.equal(answer.take({ choices: [], usage: {} }), false);
  assert.deepEqual(
    [answer.content, answer.reasoning, answer.tokens],
    ["ab", "hm", [{ text: "b", logprob: -1, top: [] }]],
  );
});

test("calls come in pieces, and go back with what the tools said", () => {
  const answer = new ChatAnswer();
  answer.take(event({ tool_calls: [{ index: 0, id: "c0", function: { name: "f", arguments: '{"x"' } }] }));
  answer.take(event({ tool_calls: [{ index: 1, id: "c1", function: { name: "g", arguments: "" } }] }));
  answer.take(event({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }));
  answer.calls[0].result = "18";
  assert.deepEqual(
    messagesOf(" be kind ", [
      { role: "user", text: "hi" },
      { role: "assistant", answer },
    ]),
    [
      { role: "system", content: " be kind " },
      { role: "user", content: "hi" },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "c0", type: "function", function: { name: "f", arguments: '{"x":1}' } },
          { id: "c1", type: "function", function: { name: "g", arguments: "" } },
        ],
      },
      { role: "tool", tool_call_id: "c0", content: "18" },
    ],
  );
});

test("an answer that failed is not sent, nor an empty system prompt", () => {
  assert.deepEqual(
    messagesOf(" \n", [
      { role: "user", text: "a" },
      { role: "assistant", answer: new ChatAnswer() },
    ]),
    [{ role: "user", content: "a" }],
  );
});

test("a completion adds up", () => {
  const answer = new CompletionAnswer();
  const logprobs = { tokens: ["a", "b"], token_logprobs: [null, -0.5], top_logprobs: [null, { b: -0.5, c: -2 }] };
  assert.equal(answer.take({ choices: [{ index: 0, text: "ab", logprobs }] }), true);
  assert.equal(answer.take({ choices: [{ index: 0, text: "", logprobs: null, finish_reason: "stop" }] }), false);
  assert.equal(answer.text, "ab");
  assert.deepEqual(answer.tokens, [
    { text: "a", logprob: null, top: [] },
    {
      text: "b",
      logprob: -0.5,
      top: [
        { text: "b", logprob: -0.5 },
        { text: "c", logprob: -2 },
      ],
    },
  ]);
});

test("figures", () => {
  const figures = new Figures(1000);
  figures.take({ choices: [{}], usage: { prompt_tokens: 7, completion_tokens: 0 } }, false, 1100);
  assert.equal(figures.firstTokenSeconds, null);
  figures.take({ choices: [{}], usage: { prompt_tokens: 7, completion_tokens: 5 } }, true, 1500);
  figures.take({ choices: [{}], usage: { prompt_tokens: 7, completion_tokens: 25 } }, true, 2500);
  figures.take(
    { choices: [{ finish_reason: "stop" }], usage: { prompt_tokens: 7, completion_tokens: 26 } },
    false,
    9000,
  );
  figures.take({ choices: [], usage: null }, false, 9000);
  assert.deepEqual(
    [
      figures.promptTokens,
      figures.completionTokens,
      figures.firstTokenSeconds,
      figures.tokensPerSecond,
      figures.finishReason,
    ],
    [7, 26, 0.5, 20, "stop"],
  );
});

test("no speed is told of what came at once", () => {
  const figures = new Figures(0);
  figures.take({ usage: { completion_tokens: 5 } }, true, 100);
  figures.take({ usage: { completion_tokens: 9 } }, true, 101);
  assert.equal(figures.tokensPerSecond, null);
  assert.equal(new Figures(0).tokensPerSecond, null);
});

test("likelihoods", () => {
  assert.deepEqual([0, -0.1, -0.5, -1, -2, -4, -9999].map(likelihoodClass), [0, 0, 1, 2, 3, 4, 4]);
  assert.deepEqual([likelihoodClass(null), probability(undefined), probability(-9999)], [null, null, 0]);
});

test("stop texts", () => {
  assert.deepEqual(stopsOf("END\n\n\\n\\n\n a\\\\n\\x"), ["END", "\n\n", " a\\n\\x"]);
});

test("JSON is laid out, and what is none is left alone", () => {
  assert.equal(prettyJson('{"a":[1]}'), '{\n  "a": [\n    1\n  ]\n}');
  assert.equal(prettyJson('{"a":'), '{"a":');
});
