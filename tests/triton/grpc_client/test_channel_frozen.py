"""A server that is there and does nothing: deadlines hold, and the connection is given up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from app.triton.grpc_client import connection
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from demo.ports import free_ports
from tests.live.waiting import wait_until
from tests.triton.grpc_client.grpcio_server import ECHO, STREAM, WAIT, plan
from tests.triton.grpc_client.taking import end_of, next_of, start


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.triton.grpc_client.grpcio_server"]
    process = subprocess.Popen([*command, str(free_ports(1)[0])], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def channel(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    monkeypatch.setattr(connection, "PING_TIMEOUT", 1.0)
    assert isinstance(process.args, list)
    channel = Channel(f"127.0.0.1:{process.args[-1]}", is_secure=False)
    assert channel.ask(ECHO, b"x", 20) == b"x"
    yield channel
    channel.close()


def freeze(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(connection.MIN_SILENCE + 0.1)


def num_readers() -> int:
    return sum(each.name == "triton-connection" for each in threading.enumerate())


def test_a_suspicion_ends_all_calls(process: subprocess.Popen[bytes], channel: Channel) -> None:
    calls = [start(channel, WAIT) for _ in range(8)]
    for call in calls:
        next_of(call)
    told = [threading.Event() for _ in calls]
    for call, event in zip(calls, told, strict=True):
        call.when_ended(event.set)
    freeze(process)
    begun = time.monotonic()
    assert calls[0].take(begun + 0.3) is None
    calls[0].suspect()
    assert [end_of(call).code for call in calls] == ["UNAVAILABLE"] * 8
    assert 1.0 < time.monotonic() - begun < 3
    assert all(event.wait(1) for event in told)


def test_a_suspicion_of_who_is_well_ends_nothing(channel: Channel) -> None:
    call = start(channel, STREAM, plan(count=2, seconds=3))
    next_of(call)
    time.sleep(connection.MIN_SILENCE + 0.1)
    call.suspect()
    assert next_of(call)


def test_a_call_ends_by_its_deadline(process: subprocess.Popen[bytes], channel: Channel) -> None:
    call = start(channel, WAIT, timeout=1.0)
    next_of(call)
    told = threading.Event()
    call.when_ended(told.set)
    freeze(process)
    begun = time.monotonic()
    assert end_of(call).code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 1.5
    assert told.wait(1)


def test_a_question_ends_in_time_and_its_connection_with_it(
    process: subprocess.Popen[bytes], channel: Channel
) -> None:
    before = num_readers()
    freeze(process)
    begun = time.monotonic()
    with pytest.raises(CallEnded) as caught:
        channel.ask(ECHO, b"x", 0.5)
    assert caught.value.status.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 1.5
    # Nobody has a call there any more, and the next one must not find it.
    wait_until(lambda: num_readers() == before - 1, "the end of the connection", 3)
    os.kill(process.pid, signal.SIGCONT)
    assert channel.ask(ECHO, b"y", 5) == b"y"


def test_who_connects_waits_no_longer_than_asked(
    process: subprocess.Popen[bytes], channel: Channel
) -> None:
    freeze(process)
    channel.close()
    begun = time.monotonic()
    with pytest.raises(CallEnded) as caught:
        channel.start(ECHO, b"x", 20, 0.5)
    assert caught.value.status.code == "UNAVAILABLE"
    assert time.monotonic() - begun < 1.5


def test_a_process_that_is_killed_ends_all_calls_at_once(
    process: subprocess.Popen[bytes], channel: Channel
) -> None:
    calls = [start(channel, WAIT) for _ in range(8)]
    for call in calls:
        next_of(call)
    process.kill()
    begun = time.monotonic()
    assert [end_of(call).code for call in calls] == ["UNAVAILABLE"] * 8
    assert time.monotonic() - begun < 1
