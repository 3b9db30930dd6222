"""Chunks into OpenAI's whole answers and stream events; completions and chat share the rules."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

import orjson

from app.chunks import Chunk, TextLogprob, TokenLogprob, Usage
from app.types import Generation

Event = dict[str, Any]
# No text of a model, nor anything else in an event.
MARK = secrets.token_hex(16)


@dataclass(slots=True)
class Choice:
    """One finished choice."""

    text: str = ""
    num_tokens: int = 0
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    logprobs: list[TextLogprob] = field(default_factory=list)
    cumulative_logprob: float = 0.0
    prompt_logprobs: Sequence[TokenLogprob] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every object of one answer repeats: id, object, created (Unix seconds), model."""

    prefix: str
    object: str
    model: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    created: int = field(default_factory=lambda: int(time.time()))

    def wrap(self, choices: list[Any], object_name: str | None = None) -> Event:
        """An object with these choices."""
        return {
            "id": f"{self.prefix}-{self.id}",
            "object": object_name or self.object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def fold(chunks: Iterable[Chunk], num_choices: int) -> list[Choice]:
    """The choices of a whole answer, in the order of their index."""
    choices = [Choice() for _ in range(num_choices)]
    pieces: list[list[str]] = [[] for _ in range(num_choices)]
    for chunk in chunks:
        if chunk.is_silence:
            continue
        choice = choices[chunk.index]
        pieces[chunk.index].append(chunk.text)
        choice.num_tokens = chunk.num_tokens
        choice.finish_reason = chunk.finish_reason
        choice.stop_reason = chunk.stop_reason
        choice.logprobs += chunk.logprobs
        choice.cumulative_logprob = chunk.cumulative_logprob
        choice.prompt_logprobs = chunk.prompt_logprobs or choice.prompt_logprobs
    for choice, texts in zip(choices, pieces, strict=True):
        choice.text = "".join(texts)
    return choices


class Part(Protocol):
    """What a stream brings: a chunk or a message's delta."""

    @property
    def index(self) -> int: ...

    @property
    def num_tokens(self) -> int: ...

    @property
    def finish_reason(self) -> str | None: ...

    @property
    def is_silence(self) -> bool: ...

    @property
    def only_text(self) -> str: ...

    def with_text(self, text: str) -> Self: ...


PartT = TypeVar("PartT", bound=Part)


class TextEvents:
    """Events that differ in nothing but a text, as JSON; `event` has MARK in its place."""

    def __init__(self, event: Event) -> None:
        self._before, self._after = orjson.dumps(event).split(orjson.dumps(MARK))

    def event(self, text: str) -> bytes:
        """The one with this text."""
        return b"".join((self._before, orjson.dumps(text), self._after))


class EventStream(Generic[PartT]):
    """The events of one stream; None stands for silence. The rules of usage are here.

    Without `stream_options` the last event with a choice carries `usage`; with `include_usage`
    an extra last one does, and it is null on all others; `continuous_usage_stats` counts along.
    """

    def __init__(
        self,
        parts: Generator[PartT, None, None],
        envelope: Envelope,
        request: Generation,
        prompt_tokens: int,
        num_choices: int,
    ) -> None:
        self._parts = parts
        self._envelope = envelope
        self._request = request
        self._prompt_tokens = prompt_tokens
        self._counts = [0] * num_choices
        # By the choices that have begun. Each one's first event may be like no other.
        self._texts: dict[int, TextEvents | None] = {}
        self._num_open = num_choices

    def events(
        self, opening: list[Event], choice_of: Callable[[PartT], Event]
    ) -> Generator[Event | bytes | None, None, None]:
        """`opening` are the choices before the first part, `choice_of` that of a part.

        Most events differ in their text alone; these come as JSON.
        """
        with closing(self._parts):
            for part in self._parts:
                text = part.only_text
                if text and part.index in self._texts:
                    yield self._text_event(part, text, choice_of)
                    continue
                if part.is_silence:
                    yield None
                    continue
                while opening:
                    yield self._event(opening.pop(0))
                self._texts.setdefault(part.index)
                yield self._of(part, choice_of(part))
        if self._request.include_usage:
            yield {**self._envelope.wrap([]), "usage": self._usage()}

    def _text_event(
        self, part: PartT, text: str, choice_of: Callable[[PartT], Event]
    ) -> Event | bytes:
        self._counts[part.index] = part.num_tokens
        if self._request.continuous_usage:
            return self._event(choice_of(part))
        known = self._texts[part.index]
        if known is None:
            known = TextEvents(self._event(choice_of(part.with_text(MARK))))
            self._texts[part.index] = known
        return known.event(text)

    def _of(self, part: PartT, choice: Event) -> Event:
        self._counts[part.index] = part.num_tokens
        if part.finish_reason is not None:
            self._num_open -= 1
        return self._event(choice, is_last=not self._num_open)

    def _event(self, choice: Event, *, is_last: bool = False) -> Event:
        event = self._envelope.wrap([choice])
        request = self._request
        if request.continuous_usage or (is_last and not request.include_usage):
            event["usage"] = self._usage()
        elif request.include_usage:
            event["usage"] = None
        return event

    def _usage(self) -> dict[str, int]:
        return Usage(self._prompt_tokens, sum(self._counts)).as_dict()
