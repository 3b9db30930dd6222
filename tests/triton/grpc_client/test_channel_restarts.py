"""Servers that go away, come back, and that are not there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from app.triton.grpc_client import channel as channel_module
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status
from tests.live.waiting import LATE, wait_until
from tests.triton.grpc_client.clocks import Clock
from tests.triton.grpc_client.grpcio_server import ECHO, STREAM, WAIT, GrpcioServer, plan
from tests.triton.grpc_client.peers import Peer, silent
from tests.triton.grpc_client.taking import PATIENCE, end_of, next_of, start, to_the_end


@pytest.fixture
def server() -> Iterator[GrpcioServer]:
    with socket.socket() as kept:
        # Nobody else gets the port while the server is away.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        server = GrpcioServer(f"127.0.0.1:{kept.getsockname()[1]}")
        yield server
        server.stop()


@pytest.fixture
def channel(server: GrpcioServer) -> Iterator[Channel]:
    channel = Channel(server.address, is_secure=False)
    yield channel
    channel.close()


def works(channel: Channel) -> bool:
    with suppress(CallEnded):
        return channel.ask(ECHO, b"x", 1) == b"x"
    return False


def test_a_stop_with_grace_lets_streams_end(channel: Channel, server: GrpcioServer) -> None:
    call = start(channel, STREAM, plan(count=10, seconds=0.05))
    next_of(call)
    stopped = server.stop(grace=10 * PATIENCE)
    took, status = to_the_end(call)
    assert (len(took), status) == (9, Status("OK"))
    assert stopped.wait(PATIENCE), "the connection that nobody needs is closed"
    assert not works(channel)


def test_a_stop_without_grace_ends_them(channel: Channel, server: GrpcioServer) -> None:
    calls = [start(channel, WAIT) for _ in range(8)]
    for call in calls:
        next_of(call)
    begun = time.monotonic()
    server.stop(grace=0)
    assert {end_of(call).code for call in calls} <= {"UNAVAILABLE", "CANCELLED"}
    assert time.monotonic() - begun < LATE


def test_a_server_that_comes_back_is_found_soon(channel: Channel, server: GrpcioServer) -> None:
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"
    server.stop().wait()
    down_until = time.monotonic() + 0.5
    while time.monotonic() < down_until:
        assert not works(channel)
        time.sleep(0.05)
    server.start()
    wait_until(lambda: works(channel), "the reconnection")


def test_a_connection_that_was_closed_while_idle_is_opened_again(
    channel: Channel, server: GrpcioServer
) -> None:
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"
    (known,) = channel._connections
    server.stop().wait()
    server.start()
    wait_until(lambda: known.is_closed, "the end of the connection")
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"


def test_a_server_that_is_down_is_not_hammered(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(channel_module, monkeypatch)
    with Peer(lambda sock: sock.close()) as peer:
        channel = Channel(peer.address, is_secure=False)
        for num_accepted, pause in enumerate((0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0), 1):
            for _ in range(10):
                with pytest.raises(CallEnded) as caught:
                    channel.ask(ECHO, b"x", PATIENCE)
                assert caught.value.status.code == "UNAVAILABLE"
                clock.now += pause * 0.09
            assert peer.num_accepted == num_accepted
            clock.now += pause * 0.1 + 1e-6


def test_those_who_wait_for_the_same_connection_fail_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However late a thread is, it comes at the same time as the others.
    Clock(channel_module, monkeypatch)
    with Peer(silent) as peer:
        channel = Channel(peer.address, is_secure=False)

        def ask(_: int) -> str:
            with pytest.raises(CallEnded) as caught:
                channel.ask(ECHO, b"x", 0.5)
            return caught.value.status.code

        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(ask, range(20))) == {"UNAVAILABLE"}
        assert peer.num_accepted == 1


def test_who_has_less_time_does_not_wait_for_who_has_more() -> None:
    with ThreadPoolExecutor(1) as pool:
        with Peer(silent) as peer:
            channel = Channel(peer.address, is_secure=False)
            patient = pool.submit(lambda: channel.start(ECHO, b"x", PATIENCE, PATIENCE))
            wait_until(lambda: peer.num_accepted == 1, "the first connection")
            begun = time.monotonic()
            with pytest.raises(CallEnded) as caught:
                channel.ask(ECHO, b"x", 0.3)
            assert caught.value.status.code == "UNAVAILABLE"
            assert time.monotonic() - begun < 0.3 + LATE
            assert not patient.done()
        assert isinstance(patient.exception(), CallEnded)
