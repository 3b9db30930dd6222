"""Names, their addresses, and which of them is taken."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from tests.live.waiting import LATE
from tests.triton.grpc_client.grpcio_server import ECHO, GrpcioServer
from tests.triton.grpc_client.peers import Peer
from tests.triton.grpc_client.taking import PATIENCE

Addresses = list[tuple[Any, ...]]


def tcp(host: str, port: int, family: int = socket.AF_INET) -> tuple[Any, ...]:
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


def named(monkeypatch: pytest.MonkeyPatch, found: Addresses) -> list[tuple[str, int]]:
    """Every name has these addresses. Returns what is looked up."""
    asked: list[tuple[str, int]] = []

    def look_up(host: str, port: int, **_: Any) -> Addresses:
        asked.append((host, port))
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@contextmanager
def refusing(count: int) -> Iterator[list[int]]:
    """Ports on which nobody listens, nor can begin to."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in sockets]


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6() -> None:
    server = GrpcioServer("[::1]:0")
    channel = Channel(f"[::1]:{server.port}", is_secure=False)
    assert channel.ask(ECHO, b"six", 20) == b"six"
    channel.close()
    server.stop()


def test_a_name() -> None:
    server = GrpcioServer("127.0.0.1:0")
    channel = Channel(f"localhost:{server.port}", is_secure=False)
    assert channel.ask(ECHO, b"x", PATIENCE) == b"x"
    channel.close()
    server.stop()


@pytest.mark.parametrize("family", [socket.AF_INET, 9999], ids=["refuses", "is of no known kind"])
def test_the_second_address_where_the_first_does_not_work(
    family: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = GrpcioServer("127.0.0.1:0")
    with refusing(1) as (refused,):
        named(monkeypatch, [tcp("127.0.0.1", refused, family), tcp("127.0.0.1", server.port)])
        channel = Channel("several:1", is_secure=False)
        assert channel.ask(ECHO, b"x", PATIENCE) == b"x"
        channel.close()
    server.stop()


def test_no_address_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    with refusing(3) as ports:
        named(monkeypatch, [tcp("127.0.0.1", port) for port in ports])
        with pytest.raises(CallEnded, match=r"failed to connect: .*refused") as caught:
            Channel("several:1", is_secure=False).ask(ECHO, b"x", PATIENCE)
    assert caught.value.status.code == "UNAVAILABLE"
    assert time.monotonic() - begun < LATE


@pytest.mark.parametrize("host", ["no-such-name.invalid", "x" * 70, "a..b", ".leading"])
@pytest.mark.parametrize("is_secure", [False, True])
def test_a_name_that_nobody_has(host: str, is_secure: bool) -> None:
    with pytest.raises(CallEnded, match="failed to connect") as caught:
        Channel(f"{host}:8001", is_secure=is_secure).ask(ECHO, b"x", PATIENCE)
    assert caught.value.status.code == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("triton:8001", "triton", 8001),
        ("triton", "triton", 443),
        ("[::1]:8001", "::1", 8001),
        ("[fe80::1]", "fe80::1", 443),
    ],
)
def test_a_host_with_or_without_a_port(
    text: str, host: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = named(monkeypatch, [])
    with pytest.raises(CallEnded):
        Channel(text, is_secure=False).ask(ECHO, b"x", 1)
    assert asked == [(host, port)]


def test_each_address_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # A listener whose queue is full answers no more: the first address then takes its share.
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    time.sleep(0.1)
    with Peer(lambda sock: sock.sendall(b"HTTP/1.1 400 x\r\n\r\n")) as peer:
        others = [tcp("127.0.0.1", peer.port)] * 99
        named(monkeypatch, [tcp("127.0.0.1", full.getsockname()[1]), *others])
        begun = time.monotonic()
        with pytest.raises(CallEnded, match="failed to speak HTTP/2"):
            Channel("several:1", is_secure=False).start(ECHO, b"x", PATIENCE, PATIENCE)
        assert 0.5 < time.monotonic() - begun < 0.6 + LATE
    for sock in (full, *waiting):
        sock.close()
