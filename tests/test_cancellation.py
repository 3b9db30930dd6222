"""Calling a request off."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest

from app.cancellation import Cancellation
from app.errors import BackendUnavailable, ClientDisconnected


def test_everybody_is_told_once() -> None:
    cancellation, calls = Cancellation(), []
    cancellation.on_cancel(lambda: calls.append("a"))
    cancellation.on_cancel(lambda: calls.append("b"))
    cancellation.cancel()
    cancellation.cancel()
    assert calls == ["a", "b"]
    assert cancellation.is_cancelled


def test_one_that_fails_keeps_nobody_from_being_told() -> None:
    cancellation, calls = Cancellation(), []

    def fail() -> NoReturn:
        raise RuntimeError

    cancellation.on_cancel(lambda: calls.append("before"))
    cancellation.on_cancel(fail)
    cancellation.on_cancel(lambda: calls.append("behind"))
    with pytest.raises(RuntimeError):
        cancellation.cancel()
    assert calls == ["before", "behind"]


def test_who_comes_late_is_told_at_once() -> None:
    cancellation, calls = Cancellation(), []
    cancellation.cancel()
    cancellation.on_cancel(lambda: calls.append("late"))
    assert calls == ["late"]


def test_who_has_left_is_not_told() -> None:
    cancellation, calls = Cancellation(), []

    def callback() -> None:
        calls.append("x")

    cancellation.on_cancel(callback)
    cancellation.forget(callback)
    cancellation.forget(callback)
    cancellation.cancel()
    assert calls == []


def test_it_is_known_before_anybody_is_told() -> None:
    cancellation, seen = Cancellation(), []
    cancellation.on_cancel(lambda: seen.append(cancellation.is_cancelled))
    cancellation.cancel()
    assert seen == [True]


def test_a_callback_may_register_and_leave() -> None:
    cancellation, calls = Cancellation(), []
    cancellation.on_cancel(lambda: cancellation.on_cancel(lambda: calls.append("inner")))
    cancellation.cancel()
    assert calls == ["inner"]


def test_the_reason_is_the_clients_leave_unless_another_is_given() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    assert isinstance(cancellation.error, ClientDisconnected)


def test_the_first_reason_counts() -> None:
    cancellation = Cancellation()
    cancellation.cancel(BackendUnavailable("first"))
    cancellation.cancel()
    cancellation.cancel(BackendUnavailable("third"))
    assert isinstance(cancellation.error, BackendUnavailable)
    assert cancellation.error.message == "first"
    assert cancellation.error is not cancellation.error


def test_from_many_threads_everybody_is_told_once() -> None:
    cancellation, calls, start = Cancellation(), [], threading.Barrier(9)

    def register() -> None:
        start.wait()
        for _ in range(50):
            cancellation.on_cancel(lambda: calls.append(1))

    def cancel() -> None:
        start.wait()
        cancellation.cancel()

    threads = [threading.Thread(target=register) for _ in range(8)]
    threads.append(threading.Thread(target=cancel))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 400
