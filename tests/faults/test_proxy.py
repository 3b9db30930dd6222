"""The fault proxy really does each of the things that the cases rely on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.faults.bench.faults import Fault
from tests.faults.bench.proxy import FaultProxy
from tests.live.waiting import wait_until

TEXT = bytes(range(256)) * 40
SECONDS = 60.0


class EchoServer:
    """Says everything back, and knows how its connections ended."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.ends: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(client,), daemon=True).start()

    def _echo(self, client: socket.socket) -> None:
        with client:
            try:
                while block := client.recv(65536):
                    client.sendall(block)
                self.ends.append("fin")
            except OSError:
                self.ends.append("rst")


@pytest.fixture
def server() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@contextmanager
def connected(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client:
        yield client


def received(client: socket.socket, size: int) -> bytes:
    """So many bytes, fewer if the connection ends."""
    found = b""
    while len(found) < size and (block := client.recv(size - len(found))):
        found += block
    return found


def is_silent(client: socket.socket) -> bool:
    client.settimeout(0.3)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    return False


def test_without_a_fault_it_passes_everything_on(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(TEXT)
        assert received(client, len(TEXT)) == TEXT
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert proxy.tally["connections"] == 1
    assert proxy.tally["bytes"] == 2 * len(TEXT)
    wait_until(lambda: proxy.num_open == 0, "the end of the connection")


def test_refuse_and_accept_again(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), SECONDS)
    proxy.accept()
    with connected(proxy) as client:
        client.sendall(b"b")
        assert client.recv(1) == b"b"


def test_a_server_that_is_not_there_resets(server: EchoServer, proxy: FaultProxy) -> None:
    server.close()
    # It may come so soon that already connecting fails.
    with pytest.raises(ConnectionResetError), connected(proxy) as client:
        client.recv(1)
    assert proxy.tally["unreachable"] == 1


def test_blackhole_swallows_on_old_and_new_connections(proxy: FaultProxy) -> None:
    with connected(proxy) as old:
        old.sendall(b"a")
        assert old.recv(1) == b"a"
        proxy.blackhole()
        old.sendall(b"b")
        assert is_silent(old)
        with connected(proxy) as new:
            new.sendall(b"cc")
            assert is_silent(new)
        wait_until(lambda: proxy.tally["swallowed"] == 3, "that all three are swallowed")
        proxy.heal()
        old.settimeout(SECONDS)
        assert end_of(old) == "rst"
    with connected(proxy) as client:
        client.sendall(b"d")
        assert client.recv(1) == b"d"


def test_latency(proxy: FaultProxy) -> None:
    proxy.down = Fault(latency=0.3)
    with connected(proxy) as client:
        started = time.monotonic()
        client.sendall(b"a")
        assert client.recv(1) == b"a"
    assert time.monotonic() - started >= 0.3
    assert proxy.tally["delayed"] == 1


def test_bandwidth(proxy: FaultProxy) -> None:
    proxy.down = Fault(bandwidth=20_000)
    with connected(proxy) as client:
        started = time.monotonic()
        client.sendall(TEXT)
        assert received(client, len(TEXT)) == TEXT
    assert time.monotonic() - started >= len(TEXT) / 20_000


def test_slices(proxy: FaultProxy) -> None:
    proxy.down = Fault(slice=1)
    with connected(proxy) as client:
        client.sendall(b"x" * 100)
        assert received(client, 100) == b"x" * 100
    assert proxy.tally["pieces"] >= 100


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_limit_then_fin(proxy: FaultProxy, size: int) -> None:
    proxy.down = Fault(limit=size, then="fin")
    with connected(proxy) as client:
        client.sendall(TEXT)
        assert received(client, len(TEXT)) == TEXT[:size]
    assert proxy.tally["fin"] == 1


def test_limit_then_rst(server: EchoServer, proxy: FaultProxy) -> None:
    proxy.down = Fault(limit=1000, then="rst")
    with connected(proxy) as client:
        client.sendall(TEXT)
        with pytest.raises(ConnectionResetError):
            received(client, len(TEXT))
    wait_until(lambda: server.ends == ["rst"], "the reset on the server's side")
    assert proxy.tally["rst"] == 1


def test_limit_then_hang(server: EchoServer, proxy: FaultProxy) -> None:
    proxy.down = Fault(limit=1000, then="hang")
    with connected(proxy) as client:
        client.sendall(TEXT)
        assert received(client, 1000) == TEXT[:1000]
        assert is_silent(client)
        # Afterwards the client's own end is passed on.
        assert server.ends == []


def test_corruption_is_repeatable(proxy: FaultProxy) -> None:
    def echoed() -> bytes:
        proxy.down = Fault(corrupt=0.01, seed=7)
        with connected(proxy) as client:
            client.sendall(TEXT)
            return received(client, len(TEXT))

    # How the bytes are cut into blocks does not matter.
    first = echoed()
    num_changed = sum(a != b for a, b in zip(first, TEXT, strict=True))
    assert 0 < num_changed == proxy.tally["corrupted"] < len(TEXT) * 0.05
    assert echoed() == first


def test_half_open(server: EchoServer, proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        assert proxy.half_open() == 1
        wait_until(lambda: len(server.ends) == 1, "the end on the server's side")
        client.sendall(b"b")
        assert is_silent(client)


def test_slow_close(proxy: FaultProxy) -> None:
    proxy.down = Fault(close_delay=0.4)
    with connected(proxy) as client:
        started = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert time.monotonic() - started >= 0.4
    assert proxy.tally["slow_close"] == 1


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut(proxy: FaultProxy, how: str) -> None:
    with connected(proxy) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        assert proxy.cut(how) == 1
        assert end_of(client) == how


def end_of(client: socket.socket) -> str:
    try:
        return "fin" if client.recv(1) == b"" else "bytes"
    except ConnectionResetError:
        return "rst"
