"""Several choices at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from app.cancellation import Cancellation
from app.errors import ClientDisconnected
from app.services.interleave import interleave
from tests.live.waiting import wait_until


def counted(name: str, count: int, delay: float = 0.0) -> Iterator[tuple[str, int]]:
    for number in range(count):
        time.sleep(delay)
        yield (name, number)


def test_everything_comes_and_each_source_in_its_order() -> None:
    sources = [counted("a", 30), counted("b", 300), counted("c", 0)]
    items = list(interleave(sources, Cancellation()))
    assert [number for name, number in items if name == "a"] == list(range(30))
    assert [number for name, number in items if name == "b"] == list(range(300))
    assert len(items) == 330


def test_a_fast_source_does_not_wait_for_a_slow_one() -> None:
    may_go_on = threading.Event()

    def slow() -> Iterator[tuple[str, int]]:
        assert may_go_on.wait(60)
        yield ("slow", 0)

    items = interleave([slow(), counted("fast", 3)], Cancellation())
    assert [next(items)[0] for _ in range(3)] == ["fast"] * 3
    may_go_on.set()
    assert [name for name, _ in items] == ["slow"]


def failing() -> Iterator[tuple[str, int]]:
    yield ("bad", 0)
    raise ValueError("boom")


def test_a_failure_reaches_the_consumer_and_calls_the_others_off() -> None:
    cancellation = Cancellation()
    with pytest.raises(ValueError, match="boom"):
        list(interleave([failing(), counted("a", 10**6)], cancellation))
    assert cancellation.is_cancelled


def test_closing_early_calls_the_sources_off_and_closes_them() -> None:
    cancellation, closed = Cancellation(), threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            closed.set()

    items = interleave([source(), source()], cancellation)
    next(items)
    items.close()
    assert cancellation.is_cancelled
    assert closed.wait(60)


def test_a_whole_answer_calls_nothing_off() -> None:
    cancellation = Cancellation()
    list(interleave([counted("a", 2), counted("b", 2)], cancellation))
    assert not cancellation.is_cancelled


def waits_for(cancellation: Cancellation) -> Iterator[int]:
    """A source as a backend is one: it waits, and is woken by the cancellation."""
    gone = threading.Event()
    cancellation.on_cancel(gone.set)
    gone.wait(120)
    raise ClientDisconnected("the client went away")
    yield


def test_a_consumer_that_waits_learns_that_its_client_has_gone() -> None:
    """The greenlet of a request that nobody waits for must not stay for ever."""
    cancellation = Cancellation()
    sources = [waits_for(cancellation), waits_for(cancellation)]
    outcome: list[BaseException] = []

    def consume() -> None:
        try:
            list(interleave(sources, cancellation))
        except BaseException as error:
            outcome.append(error)

    threading.Thread(target=consume, daemon=True).start()
    time.sleep(0.1)
    cancellation.cancel()
    wait_until(lambda: bool(outcome), "the consumer's end")
    assert isinstance(outcome[0], ClientDisconnected)


def test_out_of_threads_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that was handed something gives it back, though nobody can run it."""
    given_back: list[str] = []
    cancellation = Cancellation()

    def source(name: str) -> Iterator[int]:
        try:
            if cancellation.is_cancelled:
                raise ClientDisconnected("the client went away")
            yield 1
        finally:
            given_back.append(name)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        list(interleave([source("a"), source("b")], cancellation))
    assert given_back == ["a", "b"]


def test_sources_are_closed_where_they_run() -> None:
    """The consumer may be stuck in a write; what the sources hold must not wait for it."""
    cancellation = Cancellation()
    closed_by: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed_by.append(threading.current_thread().name)

    items = interleave([endless(), endless()], cancellation)
    next(items)
    cancellation.cancel()
    wait_until(lambda: len(closed_by) == 2, "the closing")
    assert threading.current_thread().name not in closed_by
    items.close()
