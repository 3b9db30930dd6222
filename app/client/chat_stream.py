"""https://platform.openai.com/docs/api-reference/chat-streaming"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.client.connection import Connection
from app.client.errors import ServerError, broken, server_words

PATH = "/v1/chat/completions"
DONE = "[DONE]"
# Reasoning has no name in OpenAI's chunks; these are what servers call it.
REASONING = ("reasoning_content", "reasoning")
BAD_REQUEST = (400, 422)


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """What one event says. `prompt_tokens` and `completion_tokens` are None where it does not."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def stream_chat(connection: Connection, body: Mapping[str, Any]) -> Iterator[ChatChunk]:
    """The answer to a request, event by event, with its usage if the server counts.

    Raises:
        ServerError: a refusal, an error amid the answer, or an answer that is cut off.
    """
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    lines = connection.lines(PATH, asked)
    try:
        first = next(lines, b"")
    except ServerError as error:
        if error.status not in BAD_REQUEST or "stream_options" not in error.message:
            raise
        # Older servers do not know it; there are no token counts then.
        del asked["stream_options"]
        lines = connection.lines(PATH, asked)
        first = next(lines, b"")
    if first.lstrip().startswith(b"{"):
        yield _whole_answer(first + b"".join(lines))
        return
    yield from _chunks(_then(first, lines))


def events(lines: Iterable[bytes]) -> Iterator[str]:
    """The data of server-sent events."""
    data: list[bytes] = []
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data).decode(errors="replace")
            data = []
    if data:
        yield b"\n".join(data).decode(errors="replace")


def _then(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _chunks(lines: Iterable[bytes]) -> Iterator[ChatChunk]:
    is_ended = False
    for data in events(lines):
        if data.strip() == DONE:
            is_ended = True
            continue
        chunk = _chunk(_object(data))
        is_ended = is_ended or chunk.finish_reason is not None
        yield chunk
    if not is_ended:
        raise ServerError("the server cut the answer off", kind="answer cut off")


def _object(data: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise broken("an event of the server's answer is not a JSON object")
    return content


def _chunk(content: Mapping[str, Any]) -> ChatChunk:
    if content.get("error"):
        words = server_words(content) or "no words"
        raise ServerError(f"the server gave up: {words}", kind="error in the answer")
    choices = content.get("choices") or [{}]
    choice = choices[0] if isinstance(choices, list) and isinstance(choices[0], dict) else {}
    return _made(choice, choice.get("delta") or {}, content.get("usage"))


def _whole_answer(body: bytes) -> ChatChunk:
    """Of a server that does not stream."""
    content = _object(body)
    choices = content.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise broken("the server's answer has no choices")
    return _made(choices[0], choices[0].get("message") or {}, content.get("usage"))


def _made(choice: Mapping[str, Any], message: Any, usage: Any) -> ChatChunk:
    said = message if isinstance(message, dict) else {}
    counted = usage if isinstance(usage, dict) else {}
    reasoning = next((text for key in REASONING if (text := _text(said.get(key)))), "")
    finish_reason = choice.get("finish_reason")
    return ChatChunk(
        _text(said.get("content")),
        reasoning,
        None if finish_reason is None else str(finish_reason),
        _number(counted.get("prompt_tokens")),
        _number(counted.get("completion_tokens")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
