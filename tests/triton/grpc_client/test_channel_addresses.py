"""Names, their addresses, and which of them is taken."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from demo.ports import free_ports
from tests.triton.grpc_client.grpcio_server import ECHO, GrpcioServer
from tests.triton.grpc_client.peers import Peer

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
    assert channel.ask(ECHO, b"x", 20) == b"x"
    channel.close()
    server.stop()


@pytest.mark.parametrize("family", [socket.AF_INET, 9999], ids=["refuses", "is of no known kind"])
def test_the_second_address_where_the_first_does_not_work(
    family: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = GrpcioServer("127.0.0.1:0")
    (closed,) = free_ports(1)
    first = tcp("127.0.0.1", closed, family)
    named(monkeypatch, [first, tcp("127.0.0.1", server.port)])
    channel = Channel("several:1", is_secure=False)
    assert channel.ask(ECHO, b"x", 20) == b"x"
    channel.close()
    server.stop()


def test_no_address_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, [tcp("127.0.0.1", port) for port in free_ports(3)])
    begun = time.monotonic()
    with pytest.raises(CallEnded, match=r"failed to connect: .*refused") as caught:
        Channel("several:1", is_secure=False).ask(ECHO, b"x", 20)
    assert caught.value.status.code == "UNAVAILABLE"
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("host", ["no-such-name.invalid", "x" * 70, "a..b", ".leading"])
@pytest.mark.parametrize("is_secure", [False, True])
def test_a_name_that_nobody_has(host: str, is_secure: bool) -> None:
    with pytest.raises(CallEnded, match="failed to connect") as caught:
        Channel(f"{host}:8001", is_secure=is_secure).ask(ECHO, b"x", 20)
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
    # A listener whose queue is full answers no more: the first address then takes its half.
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    time.sleep(0.1)
    with Peer(lambda sock: sock.sendall(b"HTTP/1.1 400 x\r\n\r\n")) as peer:
        named(monkeypatch, [tcp("127.0.0.1", full.getsockname()[1]), tcp("127.0.0.1", peer.port)])
        begun = time.monotonic()
        with pytest.raises(CallEnded, match="failed to speak HTTP/2"):
            Channel("several:1", is_secure=False).start(ECHO, b"x", 20, 2.0)
        assert 0.9 < time.monotonic() - begun < 2.0
    for sock in (full, *waiting):
        sock.close()
