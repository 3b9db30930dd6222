"""One request of a bench, and what is measured of it."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
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


Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Requests:
    """`make` builds the body of the request with this number, `send` sends it."""

    make: Callable[[int], Body]
    send: Callable[[Connection, Body], Measured]


def prompts(num_words: int) -> Callable[[int], str]:
    """Makes the text of a number, which no other request has, not even in its beginning.

    Nor has one of another run: what a server keeps of that one is not to be measured.
    """
    run = random.getrandbits(64)

    def prompt(number: int) -> str:
        words = random.Random(f"{run} {number}")  # noqa: S311  # nothing is kept secret with it
        chosen = (words.choice(WORDS) for _ in range(max(num_words - 2, 1)))
        return " ".join([f"{number}:", *chosen])

    return prompt


def streamed_chats(model: str, prompt_tokens: int, max_tokens: int) -> Requests:
    """Chats whose answers are streamed."""
    return Requests(_chats(model, prompt_tokens, max_tokens), send_streamed)


def whole_chats(model: str, prompt_tokens: int, max_tokens: int) -> Requests:
    """Chats that are answered at once."""
    return Requests(
        _chats(model, prompt_tokens, max_tokens),
        lambda connection, body: _counted(connection.post(PATH, body).json()),
    )


def embeddings(model: str, prompt_tokens: int) -> Requests:
    """Embeddings of one text each."""
    prompt = prompts(prompt_tokens)
    return Requests(
        lambda number: {"model": model, "input": prompt(number)},
        lambda connection, body: _counted(connection.post("/v1/embeddings", body).json()),
    )


def send_streamed(connection: Connection, body: Body) -> Measured:
    """Read a streamed answer, and note when each event of it came. Raises ServerError."""
    measured, started = Measured(), perf_counter()
    for chunk in stream_chat(connection, body):
        if chunk.text or chunk.reasoning:
            measured.note_text(perf_counter() - started)
        if chunk.completion_tokens is not None:
            measured.prompt_tokens = chunk.prompt_tokens or 0
            measured.completion_tokens = chunk.completion_tokens
    return measured


def measure(requests: Requests, connection: Connection, number: int) -> Measured:
    """Send one. A failure is measured, too; after it the connection is a new one."""
    body = requests.make(number)
    started = perf_counter()
    try:
        measured = requests.send(connection, body)
    except ServerError as error:
        connection.close()
        measured = Measured(error.kind, error.message)
    measured.seconds = perf_counter() - started
    return measured


def _chats(model: str, prompt_tokens: int, max_tokens: int) -> Callable[[int], Body]:
    prompt = prompts(prompt_tokens)
    return lambda number: {
        "model": model,
        "messages": [{"role": "user", "content": prompt(number)}],
        "max_tokens": max_tokens,
    }


def _counted(content: Any) -> Measured:
    usage = content.get("usage") if isinstance(content, dict) else None
    counts = usage if isinstance(usage, dict) else {}
    return Measured(
        prompt_tokens=int(counts.get("prompt_tokens") or 0),
        completion_tokens=int(counts.get("completion_tokens") or 0),
    )
