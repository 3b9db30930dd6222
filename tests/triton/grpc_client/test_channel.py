"""The client against a server of grpcio's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import FIRST_BACKOFF, Channel
from app.triton.grpc_client.status import CODES, Status
from tests.live.waiting import LATE, wait_until
from tests.triton.grpc_client.grpcio_server import (
    ECHO,
    FAIL,
    STREAM,
    WAIT,
    GrpcioServer,
    numbered,
    plan,
)
from tests.triton.grpc_client.peers import Peer, silent
from tests.triton.grpc_client.taking import PATIENCE, end_of, next_of, start, to_the_end, waiting


def connection_threads() -> set[threading.Thread]:
    """Those of all connections that there are, of other tests as well."""
    return {each for each in threading.enumerate() if each.name.startswith("triton-")}


@pytest.fixture
def server() -> Iterator[GrpcioServer]:
    server = GrpcioServer()
    yield server
    server.stop()


@pytest.fixture
def channel(server: GrpcioServer) -> Iterator[Channel]:
    channel = Channel(server.address, is_secure=False)
    yield channel
    channel.close()


@pytest.mark.parametrize("size", [0, 1, 65_530, 65_536, 3_000_000])
def test_a_question_and_its_answer(channel: Channel, size: int) -> None:
    request = bytes([size % 256]) * size
    assert channel.ask(ECHO, request, PATIENCE) == request


@pytest.mark.parametrize(("count", "size"), [(0, 4), (1, 4), (2000, 4), (30, 400_000)])
def test_a_stream_of_answers(channel: Channel, count: int, size: int) -> None:
    took, status = to_the_end(start(channel, STREAM, plan(count=count, size=size)))
    assert took == [numbered(number, size) for number in range(count)]
    assert status == Status("OK")


@pytest.mark.parametrize("number", range(1, 17))
@pytest.mark.parametrize("after", [0, 2])
def test_a_failure_is_told_in_the_servers_words(channel: Channel, number: int, after: int) -> None:
    text = "größer als 100 % 🙂\nand more"
    took, status = to_the_end(start(channel, FAIL, plan(number=number, text=text, after=after)))
    assert took == [b"good"] * after
    assert status == Status(CODES[number], text)


def test_a_failure_of_a_question_is_raised(channel: Channel) -> None:
    with pytest.raises(CallEnded) as caught:
        channel.ask(FAIL, plan(number=5, text="no such thing"), PATIENCE)
    assert caught.value.status == Status("NOT_FOUND", "no such thing")


def test_an_unknown_method_is_said_to_be_one(channel: Channel) -> None:
    assert end_of(start(channel, "/test/Nothing")).code == "UNIMPLEMENTED"


def test_a_question_that_is_answered_with_nothing_is_a_failure(channel: Channel) -> None:
    with pytest.raises(CallEnded) as caught:
        channel.ask(STREAM, plan(count=0), PATIENCE)
    assert caught.value.status.code == "INTERNAL"


def test_the_server_sees_a_call_that_is_cancelled(channel: Channel, server: GrpcioServer) -> None:
    call = start(channel, WAIT)
    assert next_of(call) == b"waiting"
    told = threading.Event()
    call.when_ended(told.set)
    call.cancel()
    assert told.is_set()
    wait_until(lambda: server.num_cancelled == 1, "the cancellation")
    assert end_of(call) == Status("CANCELLED")
    assert channel.ask(ECHO, b"still there", PATIENCE) == b"still there"
    assert len(server.peers) == 1


def test_a_call_ends_by_its_deadline_on_both_sides(channel: Channel, server: GrpcioServer) -> None:
    call = waiting(channel, WAIT, 0.7)
    told = threading.Event()
    call.when_ended(told.set)
    assert end_of(call).code == "DEADLINE_EXCEEDED"
    assert time.monotonic() < call.expires_at + LATE
    assert told.wait(PATIENCE)
    wait_until(lambda: server.num_cancelled == server.num_begun, "the deadline on the server")


def test_taking_waits_no_longer_than_asked(channel: Channel) -> None:
    call = start(channel, WAIT)
    next_of(call)
    for seconds in (0.0, 0.3):
        begun = time.monotonic()
        assert call.take(begun + seconds) is None
        assert seconds <= time.monotonic() - begun < seconds + LATE


def test_waking_is_for_who_waits_or_the_next_who_would(channel: Channel) -> None:
    call = start(channel, WAIT)
    next_of(call)
    for delay in (0.0, 0.3):
        timer = threading.Timer(delay, call.wake)
        timer.start()
        begun = time.monotonic()
        assert call.take(begun + PATIENCE) is None
        assert time.monotonic() - begun < delay + LATE
        timer.join()
    assert call.take(time.monotonic() + 0.1) is None


def test_what_is_discarded_goes_on_to_its_end(channel: Channel, server: GrpcioServer) -> None:
    call = start(channel, STREAM, plan(count=60, size=100_000))
    next_of(call)
    told = threading.Event()
    call.when_ended(told.set)
    call.discard()
    assert told.wait(PATIENCE)
    assert to_the_end(call) == ([], Status("OK"))


def test_a_taker_that_stalls_holds_the_server_back_and_nobody_else(
    channel: Channel, server: GrpcioServer
) -> None:
    stalled = start(channel, STREAM, plan(count=100, size=100_000))
    next_of(stalled)
    time.sleep(0.5)
    assert stalled.num_waiting() < 6
    other = to_the_end(start(channel, STREAM, plan(count=300, size=100_000)))
    assert (len(other[0]), other[1]) == (300, Status("OK"))
    assert stalled.num_waiting() < 6
    assert len(to_the_end(stalled)[0]) == 99


def test_256_streams_at_once_all_complete(channel: Channel, server: GrpcioServer) -> None:
    wanted = [numbered(number, 400) for number in range(20)], Status("OK")
    request = plan(count=20, size=400, seconds=0.02)

    def run(_: int) -> object:
        return to_the_end(start(channel, STREAM, request))

    with ThreadPoolExecutor(256) as pool:
        results = list(pool.map(run, range(256)))
    assert results == [wanted] * 256
    assert len(server.peers) == 1, "all of them share a connection"


def test_streams_beyond_the_servers_limit_get_a_connection_of_their_own() -> None:
    server = GrpcioServer(max_concurrent_streams=4)
    channel = Channel(server.address, is_secure=False)
    calls = [start(channel, WAIT) for _ in range(10)]
    assert [next_of(call) for call in calls] == [b"waiting"] * 10
    assert len(server.peers) == 3
    for call in calls:
        call.cancel()
    channel.close()
    server.stop()


def test_closing_ends_all_calls_and_the_next_one_connects_again(
    channel: Channel, server: GrpcioServer
) -> None:
    call = start(channel, WAIT)
    next_of(call)
    channel.close()
    assert end_of(call).code == "UNAVAILABLE"
    assert channel.ask(ECHO, b"again", PATIENCE) == b"again"


def test_nothing_is_opened_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    here, begin = threading.current_thread(), threading.Thread.start
    begun: list[str] = []

    def note(thread: threading.Thread) -> None:
        # Connections of other tests may have theirs.
        if threading.current_thread() is here:
            begun.append(thread.name)
        begin(thread)

    with Peer(silent) as peer:
        monkeypatch.setattr(threading.Thread, "start", note)
        Channel(peer.address, is_secure=False).close()
        assert begun == []
        assert peer.num_accepted == 0


def test_a_connection_without_calls_has_no_clock(channel: Channel) -> None:
    before = connection_threads()
    channel.ask(ECHO, b"x", PATIENCE)

    def clocks() -> list[threading.Thread]:
        return [each for each in connection_threads() - before if each.name == "triton-deadlines"]

    wait_until(lambda: not clocks(), "the end of the clock")
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"


def test_who_fails_when_told_of_an_end_harms_nobody_else(channel: Channel) -> None:
    def fail() -> None:
        raise IndexError("a bug")

    other = start(channel, STREAM, plan(count=3, seconds=0.3))
    for timeout, path in ((PATIENCE, FAIL), (0.2, WAIT)):
        call = start(channel, path, plan(number=5, text=""), timeout)
        call.when_ended(fail)
        told = threading.Event()
        call.when_ended(told.set)
        end_of(call)
        assert told.wait(PATIENCE)
    assert len(to_the_end(other)[0]) == 3
    begun = time.monotonic()
    call = start(channel, WAIT, timeout=0.5)
    assert end_of(call).code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 0.5 + LATE


@pytest.mark.parametrize("name", ["triton-connection", "triton-deadlines"])
def test_without_threads_calls_end_and_later_ones_work(
    name: str, server: GrpcioServer, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        begin(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(CallEnded) as caught:
            channel.ask(ECHO, b"x", PATIENCE)
        assert caught.value.status.code == "UNAVAILABLE"
        assert "can't start new thread" in caught.value.status.text
    time.sleep(FIRST_BACKOFF)
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"


def test_a_channel_that_nobody_has_any_more_leaves_no_connection(server: GrpcioServer) -> None:
    channel = Channel(server.address, is_secure=False)
    assert channel.ask(ECHO, b"hello", PATIENCE) == b"hello"
    (connection,) = channel._connections
    assert not connection.is_closed
    del channel
    wait_until(lambda: connection.is_closed, "the end of the connection")
