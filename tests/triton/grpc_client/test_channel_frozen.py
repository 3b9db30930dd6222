"""A server that is there and does nothing: deadlines hold, and the connection is given up."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from app.triton.grpc_client import connection
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from tests.live.waiting import LATE, wait_until
from tests.triton.grpc_client.grpcio_server import ECHO, WAIT
from tests.triton.grpc_client.taking import PATIENCE, end_of, next_of, start


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str


@contextmanager
def serving() -> Iterator[Served]:
    command = [sys.executable, "-m", "tests.triton.grpc_client.grpcio_server"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        yield Served(process, process.stdout.readline().strip())
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def _served() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def served(_served: Served) -> Iterator[Served]:
    yield _served
    os.kill(_served.process.pid, signal.SIGCONT)


@pytest.fixture
def channel(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    monkeypatch.setattr(connection, "PING_TIMEOUT", 1.0)
    channel = Channel(served.address, is_secure=False)
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"
    yield channel
    channel.close()


def freeze(served: Served, channel: Channel) -> None:
    """Stop it, and wait until nothing has come for as long as makes suspicious."""
    os.kill(served.process.pid, signal.SIGSTOP)
    (known,) = channel._connections
    silence = connection.MIN_SILENCE + 0.1
    wait_until(lambda: time.monotonic() - known._received_at > silence, "the silence")


def test_a_suspicion_ends_all_calls(served: Served, channel: Channel) -> None:
    calls = [start(channel, WAIT) for _ in range(8)]
    for call in calls:
        next_of(call)
    told = [threading.Event() for _ in calls]
    for call, event in zip(calls, told, strict=True):
        call.when_ended(event.set)
    freeze(served, channel)
    begun = time.monotonic()
    assert calls[0].take(begun + 0.3) is None
    calls[0].suspect()
    assert [end_of(call).code for call in calls] == ["UNAVAILABLE"] * 8
    assert 1.0 < time.monotonic() - begun < 1.3 + LATE
    assert all(event.wait(PATIENCE) for event in told)


def test_a_suspicion_of_who_is_well_ends_nothing(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So late may the answer of a busy machine be.
    monkeypatch.setattr(connection, "PING_TIMEOUT", PATIENCE)
    call = start(channel, WAIT)
    next_of(call)
    (known,) = channel._connections

    def is_pinged() -> bool:
        # Not while the server still says something.
        call.suspect()
        return known._pinged_at > 0

    wait_until(is_pinged, "the question whether it is there")
    wait_until(lambda: known._ping_ends_at == math.inf, "the end of the suspicion")
    assert call.take(0.0) is None
    assert channel.ask(ECHO, b"y", PATIENCE) == b"y"


def test_a_call_ends_by_its_deadline(served: Served, channel: Channel) -> None:
    freeze(served, channel)
    call = start(channel, WAIT, timeout=0.5)
    told = threading.Event()
    call.when_ended(told.set)
    begun = time.monotonic()
    assert end_of(call).code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 0.5 + LATE
    assert told.wait(PATIENCE)


def test_a_question_ends_in_time_and_its_connection_with_it(
    served: Served, channel: Channel
) -> None:
    (known,) = channel._connections
    freeze(served, channel)
    begun = time.monotonic()
    with pytest.raises(CallEnded) as caught:
        channel.ask(ECHO, b"x", 0.5)
    assert caught.value.status.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 0.5 + LATE
    # Nobody has a call there any more, and the next one must not find it.
    wait_until(lambda: known.is_closed, "the end of the connection")
    os.kill(served.process.pid, signal.SIGCONT)
    assert channel.ask(ECHO, b"y", PATIENCE) == b"y"


def test_who_connects_waits_no_longer_than_asked(served: Served, channel: Channel) -> None:
    freeze(served, channel)
    channel.close()
    begun = time.monotonic()
    with pytest.raises(CallEnded) as caught:
        channel.start(ECHO, b"x", PATIENCE, 0.5)
    assert caught.value.status.code == "UNAVAILABLE"
    assert time.monotonic() - begun < 0.5 + LATE


def test_a_process_that_is_killed_ends_all_calls_at_once() -> None:
    with serving() as served:
        channel = Channel(served.address, is_secure=False)
        calls = [start(channel, WAIT) for _ in range(8)]
        for call in calls:
            next_of(call)
        served.process.kill()
        begun = time.monotonic()
        assert [end_of(call).code for call in calls] == ["UNAVAILABLE"] * 8
        assert time.monotonic() - begun < LATE
