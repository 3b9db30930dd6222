"""The rules of usage in streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.chunks import Chunk
from app.services.answers import Envelope, EventStream, fold
from app.types import Generation

CHUNKS = [
    Chunk("a", 1, index=0),
    Chunk("x", 1, index=1),
    Chunk("", 1, index=0),
    Chunk("b", 3, index=0, finish_reason="stop", stop_reason="!"),
    Chunk("y", 2, index=1, finish_reason="length"),
]


class Source:
    """A generator of chunks that notes whether it was closed."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.is_closed = False
        self.items = self._all(chunks)

    def _all(self, chunks: list[Chunk]) -> Iterator[Chunk]:
        try:
            yield from chunks
        finally:
            self.is_closed = True


def stream(source: Source, **options: bool) -> Any:
    envelope = Envelope("cmpl", "text_completion", "m")
    request = Generation(model="m", stream=True, **options)
    return EventStream(source.items, envelope, request, prompt_tokens=10, num_choices=2).events(
        [{"index": 0, "opening": True}, {"index": 1, "opening": True}],
        lambda chunk: {"index": chunk.index, "text": chunk.text, "end": chunk.finish_reason},
    )


def events(**options: bool) -> list[Any]:
    return [event for event in stream(Source(CHUNKS), **options) if event is not None]


def usage(completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": 10,
        "completion_tokens": completion_tokens,
        "total_tokens": 10 + completion_tokens,
    }


def test_without_options_the_last_choice_bearing_event_has_usage() -> None:
    *others, last = events()
    assert last["usage"] == usage(5)
    assert last["choices"][0]["end"] == "length"
    assert all("usage" not in event for event in others)


def test_include_usage_adds_an_event_without_choices() -> None:
    *others, last = events(include_usage=True)
    assert (last["choices"], last["usage"]) == ([], usage(5))
    assert all(event["usage"] is None and event["choices"] for event in others)


def test_continuous_usage_counts_along() -> None:
    found = events(continuous_usage=True)
    assert [event["usage"]["completion_tokens"] for event in found] == [0, 0, 1, 2, 4, 5]
    assert all(event["choices"] for event in found)


def test_both_options() -> None:
    *others, last = events(include_usage=True, continuous_usage=True)
    assert [event["usage"]["completion_tokens"] for event in others] == [0, 0, 1, 2, 4, 5]
    assert (last["choices"], last["usage"]) == ([], usage(5))


@pytest.mark.parametrize("options", [{}, {"include_usage": True}])
def test_all_events_share_id_and_created(options: dict[str, bool]) -> None:
    found = events(**options)
    assert len({(event["id"], event["created"], event["model"]) for event in found}) == 1


def test_openings_come_before_the_first_text_and_after_silence() -> None:
    silent_first = Source([Chunk("", 0), *CHUNKS])
    kinds = [
        "silence" if event is None else "opening" if "opening" in event["choices"][0] else "chunk"
        for event in stream(silent_first)
    ]
    assert kinds == ["silence", "opening", "opening", "chunk", "chunk", "silence", "chunk", "chunk"]


def test_closing_closes_the_chunks() -> None:
    source = Source(CHUNKS)
    running = stream(source)
    next(running)
    running.close()
    assert source.is_closed


def test_folding_gives_every_choice_whole() -> None:
    first, second = fold(iter(CHUNKS), 2)
    assert (first.text, first.num_tokens, first.finish_reason, first.stop_reason) == (
        "ab",
        3,
        "stop",
        "!",
    )
    assert (second.text, second.num_tokens, second.finish_reason) == ("xy", 2, "length")
