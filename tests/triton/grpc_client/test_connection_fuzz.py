"""Over a real socket, whatever a server sends ends every call, each once, and leaves nothing."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.connection import Connection
from app.triton.grpc_client.status import CODES
from app.triton.grpc_client.tls import PlainLayer
from tests.live.waiting import wait_until
from tests.triton.grpc_client.both_ends import CUTS, REQUEST, answer, greeting, split
from tests.triton.grpc_client.lines import framed_all
from tests.triton.grpc_client.taking import PATIENCE, to_the_end
from tests.triton.grpc_client.test_http2_fuzz import SMALL_FRAMES

GOOD = answer(1, framed_all([b"one", b"two"]))
SAID = st.one_of(
    st.lists(SMALL_FRAMES, max_size=8).map(b"".join),
    st.binary(max_size=200),
    st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
        lambda change: GOOD[: change[0]] + bytes([change[1]]) + GOOD[change[0] + 1 :]
    ),
)


def connected() -> tuple[Connection, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.sendall(greeting())
    connection = Connection(ours, PlainLayer())
    assert connection.wait_until_greeted(PATIENCE) is None
    return connection, theirs


@settings(max_examples=150, deadline=None)
@given(SAID, CUTS)
def test_every_call_ends_once(said: bytes, cuts: list[int]) -> None:
    connection, theirs = connected()
    calls = [connection.start(REQUEST, b"12345", time.monotonic() + PATIENCE) for _ in range(2)]
    told: list[int] = []
    for place, call in enumerate(calls):
        assert call is not None
        call.when_ended(lambda place=place: told.append(place))
    # It may already have given up.
    with suppress(OSError):
        for part in split(said, cuts[:3]):
            theirs.sendall(part)
        theirs.shutdown(socket.SHUT_WR)
    for call in calls:
        assert call is not None
        took, status = to_the_end(call)
        assert status.code in CODES
        assert sum(map(len, took)) <= len(said)
    deadline = time.monotonic() + PATIENCE
    while not connection.is_closed or len(told) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert sorted(told) == [0, 1]
    theirs.close()


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    for _ in range(5):
        connection, theirs = connected()
        assert connection.start(REQUEST, b"12345", time.monotonic() + PATIENCE)
        theirs.close()

    def left() -> list[threading.Thread]:
        return [each for each in set(threading.enumerate()) - before if "triton-" in each.name]

    wait_until(lambda: not left(), "the end of the threads")


@pytest.mark.parametrize("kind", [frames.PING, frames.SETTINGS])
def test_a_flood_of_what_must_be_answered_takes_no_memory(kind: int) -> None:
    connection, theirs = connected()
    theirs.settimeout(0.5)
    flood = frames.frame(kind, 0, 0, bytes(8) if kind == frames.PING else b"") * 5000
    # Whoever does not read the answers is not read any further.
    with pytest.raises(TimeoutError):
        theirs.sendall(flood * 1000)
    assert len(connection._protocol.outgoing) < 2**21
    connection.close()
    theirs.close()
