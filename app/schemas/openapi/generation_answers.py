"""The answers of completions and chat, whole and in pieces, as JSON Schema."""

from __future__ import annotations

from typing import Any

from app.schemas.openapi.answers import MAYBE_STRING, USAGE
from app.schemas.openapi.shapes import (
    COUNT,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    JsonSchema,
    array,
    nullable,
    one_of,
    record,
    ref,
)

STOP_REASON: JsonSchema = {"type": ["string", "integer", "null"]}
ALWAYS_USAGE = {"usage": USAGE}
MAYBE_USAGE = {"usage": nullable(USAGE)}


def _envelope(prefix: str, kind: str, choice: dict[str, Any], *optional: str) -> dict[str, Any]:
    return {
        "id": {**STRING, "pattern": f"^{prefix}-"},
        "object": kind,
        "created": INTEGER,
        "model": STRING,
        "choices": array(record(choice, *optional)),
    }


def completions() -> dict[str, JsonSchema]:
    """Answers of `/v1/completions`."""
    top = {"type": ["object", "null"], "additionalProperties": NUMBER}
    logprobs = {
        "tokens": array(STRING),
        "token_logprobs": array(nullable(NUMBER)),
        "top_logprobs": array(top),
        "text_offset": array(COUNT),
    }
    choice = {
        "index": COUNT,
        "text": STRING,
        "logprobs": nullable(record(logprobs)),
        "finish_reason": one_of("stop", "length"),
        "stop_reason": STOP_REASON,
    }
    chunk = {**choice, "finish_reason": one_of("stop", "length", None)}
    whole, piece = (_envelope("cmpl", "text_completion", each) for each in (choice, chunk))
    return {
        "Completion": record({**whole, **ALWAYS_USAGE}),
        "CompletionChunk": record({**piece, **MAYBE_USAGE}, "usage"),
    }


def chats() -> dict[str, JsonSchema]:
    """Answers of `/v1/chat/completions`."""
    choice = {
        "index": COUNT,
        "message": _message(),
        "logprobs": nullable(ref("ChatLogprobs")),
        "finish_reason": one_of("stop", "length", "tool_calls"),
        "stop_reason": STOP_REASON,
    }
    chunk = {
        **choice,
        "delta": _delta(),
        "finish_reason": one_of("stop", "length", "tool_calls", None),
    }
    del chunk["message"]
    whole = _envelope("chatcmpl", "chat.completion", choice)
    piece = _envelope("chatcmpl", "chat.completion.chunk", chunk, "stop_reason")
    return {
        "ChatLogprobs": record({"content": array(scored_token()), "refusal": NULL}),
        "ChatCompletion": record({**whole, **ALWAYS_USAGE}),
        "ChatCompletionChunk": record({**piece, **MAYBE_USAGE}, "usage"),
    }


def _message() -> JsonSchema:
    function = record({"name": STRING, "arguments": STRING})
    message = {
        "role": STRING,
        "content": MAYBE_STRING,
        "refusal": NULL,
        "reasoning_content": STRING,
        "tool_calls": array(record({"id": STRING, "type": "function", "function": function})),
    }
    return record(message, "reasoning_content", "tool_calls")


def _delta() -> JsonSchema:
    function = record({"name": STRING, "arguments": STRING}, "name")
    call = {"index": COUNT, "id": STRING, "type": "function", "function": function}
    delta = {
        "role": STRING,
        "content": STRING,
        "reasoning_content": STRING,
        "tool_calls": array(record(call, "id", "type")),
    }
    return record(delta, *delta)


def scored_token() -> JsonSchema:
    """A token with its logprob, and its likeliest alternatives."""
    byte = {**INTEGER, "minimum": 0, "maximum": 255}
    token = {"token": STRING, "logprob": NUMBER, "bytes": array(byte)}
    return record({**token, "top_logprobs": array(record(token))})
