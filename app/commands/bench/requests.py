"""One request of a bench, and what is measured of it."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.client.chat_stream import PATH, stream_chat
from app.client.connection import Connection
from app.client.errors import ServerError

# About one token each with most tokenizers.
TEXT = (
    "the of and to in is you that it he was for on are with as his they at be this from have or by"
    " one had not but what all were when we there can an your which their said if do will each"
    " about how up out them then she many some so these would other into has more her two like"
    " him see time could no make than first been its who now people my made over did down only"
)
WORDS = TEXT.split(" ")


@dataclass(slots=True)
class Measured:
    """Seconds and tokens of one request; `error` is the kind of a failure, "" where it has none.

    `gaps` are the seconds between the events of a stream that carry text.
    """

    error: str = ""
    message: str = ""
    seconds: float = 0.0
    first: float | None = None
    last: float | None = None
    gaps: array[float] = field(default_factory=lambda: array("d"))
    prompt_tokens: int = 0
    completion_tokens: int = 0
    num_events: int = 0

    def note_text(self, elapsed: float) -> None:
        """An event with text has come so many seconds after the request."""
        if self.last is None:
            self.first = elapsed
        else:
            self.gaps.append(elapsed - self.last)
        self.last = elapsed
        self.num_events += 1

    @property
    def seconds_per_token(self) -> float | None:
        """The mean between two tokens of the answer, where the server counts tokens."""
        if self.first is None or self.last is None or self.completion_tokens < 2:
            return None
        return (self.last - self.first) / (self.completion_tokens - 1)


Send = Callable[[Connection, int], Measured]


def prompt(number: int, num_words: int) -> str:
    """A text that no other request has, not even in its beginning."""
    words = random.Random(number)  # noqa: S311  # nothing is kept secret with it
    return " ".join([f"{number}:", *(words.choice(WORDS) for _ in range(max(num_words - 2, 1)))])


def streamed_chat(model: str, prompt_tokens: int, max_tokens: int) -> Send:
    """Chats whose answers are streamed."""

    def send(connection: Connection, number: int) -> Measured:
        measured, started = Measured(), time.perf_counter()
        body = _chat(model, prompt(number, prompt_tokens), max_tokens)
        for chunk in stream_chat(connection, body):
            if chunk.text or chunk.reasoning:
                measured.note_text(time.perf_counter() - started)
            if chunk.completion_tokens is not None:
                measured.prompt_tokens = chunk.prompt_tokens or 0
                measured.completion_tokens = chunk.completion_tokens
        return measured

    return send


def whole_chat(model: str, prompt_tokens: int, max_tokens: int) -> Send:
    """Chats that are answered at once."""

    def send(connection: Connection, number: int) -> Measured:
        body = _chat(model, prompt(number, prompt_tokens), max_tokens)
        return _counted(connection.post(PATH, body).json())

    return send


def embeddings(model: str, prompt_tokens: int) -> Send:
    """Embeddings of one text each."""

    def send(connection: Connection, number: int) -> Measured:
        body = {"model": model, "input": prompt(number, prompt_tokens)}
        return _counted(connection.post("/v1/embeddings", body).json())

    return send


def measure(send: Send, connection: Connection, number: int) -> Measured:
    """Send it. A failure is measured, too; after it the connection is a new one."""
    started = time.perf_counter()
    try:
        measured = send(connection, number)
    except ServerError as error:
        connection.close()
        measured = Measured(error.kind, error.message)
    measured.seconds = time.perf_counter() - started
    return measured


def _chat(model: str, text: str, max_tokens: int) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": max_tokens,
    }


def _counted(content: Any) -> Measured:
    usage = content.get("usage") if isinstance(content, dict) else None
    counts = usage if isinstance(usage, dict) else {}
    return Measured(
        prompt_tokens=int(counts.get("prompt_tokens") or 0),
        completion_tokens=int(counts.get("completion_tokens") or 0),
    )
