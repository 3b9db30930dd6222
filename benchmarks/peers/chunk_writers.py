"""The events of the baseline's streams: pydantic's models, or dictionaries written by orjson."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from benchmarks.peers.chat_models import Chunk, ChunkChoice, Delta, Usage

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Names:
    """What is the same in all of an answer's chunks."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))


class ChunkWriter(Protocol):
    """One answer's chunks as `data:` events."""

    def __init__(self, names: Names) -> None: ...

    def delta(self, delta: dict[str, str], finish_reason: str | None = None) -> Any:
        """What comes next, `str` or `bytes`."""

    def usage(self, usage: Usage) -> Any:
        """The last chunk, where it was asked for."""


class PydanticWriter:
    """What FastChat and Triton's front end do: a model for each chunk."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def delta(self, delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = ChunkChoice(index=0, delta=Delta(**delta), finish_reason=finish_reason)
        return _pydantic_event(self._chunk([choice]))

    def usage(self, usage: Usage) -> str:
        chunk = self._chunk([])
        chunk.usage = usage
        return _pydantic_event(chunk)

    def _chunk(self, choices: list[ChunkChoice]) -> Chunk:
        names = self._names
        return Chunk(
            id=names.id,
            object="chat.completion.chunk",
            created=names.created,
            model=names.model,
            choices=choices,
        )


class OrjsonWriter:
    """The strongest usual form: one dictionary for each chunk, in one call of orjson."""

    def __init__(self, names: Names) -> None:
        self._names = {
            "id": names.id,
            "object": "chat.completion.chunk",
            "created": names.created,
            "model": names.model,
        }

    def delta(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _orjson_event({**self._names, "choices": [choice]})

    def usage(self, usage: Usage) -> bytes:
        return _orjson_event({**self._names, "choices": [], "usage": usage.model_dump()})


def _pydantic_event(chunk: Chunk) -> str:
    return f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"


def _orjson_event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


WRITERS: dict[str, type[PydanticWriter] | type[OrjsonWriter]] = {
    "pydantic": PydanticWriter,
    "orjson": OrjsonWriter,
}
