"""What breaks inside a connection ends its calls: nobody waits for ever, no frame is cut."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.triton.grpc_client import connection as module
from app.triton.grpc_client import frames
from app.triton.grpc_client.call import Call
from app.triton.grpc_client.connection import Connection
from app.triton.grpc_client.tls import PlainLayer
from tests.live.waiting import LATE, wait_until
from tests.triton.grpc_client.both_ends import REQUEST, greeting
from tests.triton.grpc_client.taking import PATIENCE, to_the_end


class Killed(BaseException):
    """As a greenlet that is ended from without sees it."""


class Socket:
    """A socket whose `sending` may be something else."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.sending: Callable[[memoryview], int] = sock.send

    def send(self, data: memoryview) -> int:
        return self.sending(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Pair:
    """A connection, the socket that it uses, and the peer's end."""

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        self.peer.sendall(greeting())
        self.peer.settimeout(LATE)
        self.socket = Socket(ours)
        self.connection = Connection(self.socket, PlainLayer())  # type: ignore[arg-type]
        assert self.connection.wait_until_greeted(PATIENCE) is None

    def start(self, seconds: float = PATIENCE) -> Call:
        call = self.connection.start(REQUEST, b"12345", time.monotonic() + seconds)
        assert call is not None
        return call

    def heard(self) -> bytes:
        """All that the peer is told until the connection's end."""
        parts = iter(lambda: self.peer.recv(65536), b"")
        return b"".join(parts).removeprefix(frames.PREFACE)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.connection.close()
    pair.peer.close()


def test_a_sender_that_is_killed_leaves_no_half_of_a_frame(pair: Pair) -> None:
    waiting = pair.start()
    usual = pair.socket.sending
    sent: list[int] = []

    def half(data: memoryview) -> int:
        if sent:
            raise Killed
        sent.append(usual(data[: len(data) // 2]))
        return sent[0]

    pair.socket.sending = half
    with pytest.raises(Killed):
        pair.start()
    pair.socket.sending = usual
    assert pair.connection.start(REQUEST, b"67890", time.monotonic() + PATIENCE) is None
    assert pair.connection.is_closed
    _, status = to_the_end(waiting)
    assert status.code == "UNAVAILABLE"
    assert b"67890" not in pair.heard()


def test_calls_end_where_the_clock_cannot_be_looked_at(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def look(_: float) -> bool:
        raise MemoryError

    monkeypatch.setattr(pair.connection, "_look", look)
    call = pair.start()
    _, status = to_the_end(call)
    assert status.code == "INTERNAL"
    assert pair.connection.is_closed
    wait_until(lambda: "MemoryError" in caplog.text, "the log's line")


def test_what_came_before_a_question_is_no_answer_to_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes to deal with what came."""
    monkeypatch.setattr(module, "MIN_SILENCE", 0.0)
    has_come, may_go_on, is_dealt_with = threading.Event(), threading.Event(), threading.Event()
    take_in, receive = pair.connection._take_in, pair.connection._receive

    def receive_next() -> None:
        is_dealt_with.set()
        receive()

    def take_in_slowly(length: int) -> None:
        monkeypatch.setattr(pair.connection, "_receive", receive_next)
        has_come.set()
        assert may_go_on.wait(LATE)
        take_in(length)

    monkeypatch.setattr(pair.connection, "_take_in", take_in_slowly)
    pair.peer.sendall(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
    assert has_come.wait(LATE)
    pair.connection.suspect()
    may_go_on.set()
    assert is_dealt_with.wait(LATE)
    assert pair.connection._received_at < pair.connection._pinged_at
