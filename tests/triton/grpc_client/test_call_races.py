"""A call in several threads at once: nobody sleeps through a message, each end is told once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace

import pytest

from app.triton.grpc_client import call as call_module
from app.triton.grpc_client import frames
from app.triton.grpc_client.call import Call, CallEnded
from app.triton.grpc_client.http2 import CREDIT_BYTES, STREAM_WINDOW
from tests.triton.grpc_client.both_ends import HEADERS, REQUEST, data_frame, greeting, headers_frame
from tests.triton.grpc_client.lines import ProtocolLine, framed_all

NEVER = 1e9
LAST = frames.END_HEADERS | frames.END_STREAM


class LockedLine(ProtocolLine):
    """A line that several threads share, as those of a connection do."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def open(self) -> Call:
        """A call whose headers have come."""
        call = Call(self, NEVER)
        self.receive(greeting())
        self.protocol.open(call, REQUEST, bytes(5))
        self.receive(headers_frame(1, HEADERS))
        return call

    def receive(self, data: bytes) -> None:
        """What the server says."""
        with self._lock:
            self.protocol.receive(data)
        self.settle()

    def credit(self, call: Call) -> None:
        """With the lock held."""
        with self._lock:
            super().credit(call)

    def cancel(self, call: Call) -> None:
        """With the lock held."""
        with self._lock:
            super().cancel(call)


@pytest.fixture(autouse=True)
def _many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run(*functions: Callable[[], object]) -> None:
    """All of them at once, each to its end."""
    failures: list[BaseException] = []

    def guarded(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(each,), daemon=True) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "somebody sleeps"
    assert failures == []


def test_nobody_sleeps_through_a_message() -> None:
    line = LockedLine()
    call = line.open()
    taken = threading.Semaphore(1)
    data = data_frame(1, framed_all([b"message"]))

    def put() -> None:
        for _ in range(4000):
            taken.acquire()
            line.receive(data)

    def take() -> None:
        for _ in range(4000):
            assert call.take(NEVER) == b"message"
            taken.release()

    run(put, take)


def test_what_comes_between_the_look_and_the_sleep_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = LockedLine()
    call = line.open()
    coming = [
        lambda: line.receive(data_frame(1, framed_all([b"message"]))),
        call.wake,
        lambda: line.receive(frames.reset_frame(1, frames.CANCEL)),
    ]

    def monotonic() -> float:
        if coming:
            coming.pop(0)()
        return 0.0

    # It is asked for right before going to sleep.
    monkeypatch.setattr(call_module, "time", SimpleNamespace(monotonic=monotonic))

    def take() -> None:
        assert call.take(NEVER) == b"message"
        assert call.take(NEVER) is None
        with pytest.raises(CallEnded):
            call.take(NEVER)

    run(take)


def test_nobody_sleeps_through_a_call_to_wake() -> None:
    line = LockedLine()
    call = line.open()
    seen = threading.Semaphore(1)

    def wake() -> None:
        for _ in range(3000):
            seen.acquire()
            call.wake()

    def take() -> None:
        for _ in range(3000):
            assert call.take(NEVER) is None
            seen.release()

    run(wake, take)


def test_nobody_sleeps_through_the_hour() -> None:
    line = LockedLine()
    call = line.open()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            call.look_at_clock(time.monotonic())

    def take() -> None:
        for _ in range(2000):
            assert call.take(time.monotonic() + 0.0001) is None
        is_over.set()

    run(look, take)


def test_messages_wakers_and_the_clock_at_once_lose_nothing() -> None:
    line = LockedLine()
    call = line.open()
    is_over = threading.Event()
    took: list[bytes] = []
    rooms: list[int] = []
    messages = [number.to_bytes(4, "big") * (number % 90 + 1) for number in range(3000)]

    def put() -> None:
        for message in messages:
            while call.receive_window < 500 and not is_over.is_set():
                time.sleep(0.001)
            line.receive(data_frame(1, framed_all([message])))
        while len(took) < len(messages) and not is_over.is_set():
            time.sleep(0.001)
        # Nobody is given any more room once it has ended.
        rooms.append(call.receive_window + call.uncredited)
        line.receive(headers_frame(1, [("grpc-status", "0")], LAST))

    def disturb() -> None:
        while not is_over.is_set():
            call.wake()
            call.look_at_clock(time.monotonic())
            time.sleep(0)

    def take() -> None:
        with suppress(CallEnded):
            while True:
                took.extend(filter(None, [call.take(time.monotonic() + 0.001)]))
        is_over.set()

    run(put, disturb, disturb, take)
    assert took == messages
    assert rooms == [STREAM_WINDOW]
    assert call.uncredited < CREDIT_BYTES


@pytest.mark.parametrize("leave", [Call.cancel, Call.discard], ids=["cancel", "discard"])
def test_leaving_while_messages_come_ends_the_call_once(leave: Callable[[Call], None]) -> None:
    for _ in range(150):
        line = LockedLine()
        call = line.open()
        told: list[int] = []
        call.when_ended(lambda told=told: told.append(1))

        def put(line: LockedLine = line) -> None:
            for _ in range(20):
                line.receive(data_frame(1, framed_all([b"a", b"b"])))
            line.receive(headers_frame(1, [("grpc-status", "0")], LAST))

        def take(call: Call = call) -> None:
            with suppress(CallEnded):
                while True:
                    call.take(NEVER)

        def go(call: Call = call, told: list[int] = told) -> None:
            leave(call)
            call.when_ended(lambda: told.append(2))

        run(put, take, go)
        line.settle()
        assert sorted(told) == [1, 2]
