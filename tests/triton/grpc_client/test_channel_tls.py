"""TLS with authorities of the test's own."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from app.triton.grpc_client import frames
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status
from app.triton.grpc_client.tls import TlsLayer
from tests.live.waiting import LATE
from tests.triton.grpc_client.both_ends import answer, greeting
from tests.triton.grpc_client.grpcio_server import ECHO, STREAM, GrpcioServer, numbered, plan
from tests.triton.grpc_client.lines import framed_all
from tests.triton.grpc_client.peers import Peer, read_frames
from tests.triton.grpc_client.taking import PATIENCE, start, to_the_end


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def signed(folder: Path, name: str, authority: Pair | None, *extensions: str) -> Pair:
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    by = ["-CA", authority.certificate, "-CAkey", authority.key] if authority else []
    added = [part for extension in extensions for part in ("-addext", extension)]
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", pair.key, "-out", pair.certificate, "-days", "2", "-subj", f"/CN={name}"),
        *by,
        *added,
    )
    return pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    # From 3.13 on Python's verification wants it said.
    usage = "keyUsage=critical,keyCertSign,cRLSign"
    return signed(tmp_path_factory.mktemp("authority"), "authority", None, usage)


@pytest.fixture(scope="module")
def pair(authority: Pair) -> Pair:
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    return signed(authority.key.parent, "server", authority, names, "basicConstraints=CA:FALSE")


@pytest.fixture(autouse=True)
def _trusted(authority: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))


@pytest.fixture(scope="module")
def server(pair: Pair) -> Iterator[GrpcioServer]:
    contents = pair.key.read_bytes(), pair.certificate.read_bytes()
    server = GrpcioServer("127.0.0.1:0", grpc.ssl_server_credentials([contents]))
    yield server
    server.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_calls_go_over_tls(host: str, server: GrpcioServer) -> None:
    channel = Channel(f"{host}:{server.port}", is_secure=True)
    assert channel.ask(ECHO, bytes(3_000_000), PATIENCE) == bytes(3_000_000)
    request = plan(count=200, size=40_000)
    took, status = to_the_end(start(channel, STREAM, request))
    assert took == [numbered(number, 40_000) for number in range(200)]
    assert status == Status("OK")
    channel.close()


def failure_of(address: str, *, is_secure: bool = True) -> str:
    begun = time.monotonic()
    with pytest.raises(CallEnded) as caught:
        Channel(address, is_secure=is_secure).ask(ECHO, b"x", PATIENCE)
    assert caught.value.status.code == "UNAVAILABLE"
    assert time.monotonic() - begun < LATE, "nobody waits for what cannot come"
    return caught.value.status.text


def test_a_certificate_of_another_name_is_refused(
    server: GrpcioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert "Hostname mismatch" in failure_of(f"another.example:{server.port}")


def test_an_unknown_authority_is_refused(
    server: GrpcioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = signed(tmp_path, "stranger", None)
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.certificate))
    assert "CERTIFICATE_VERIFY_FAILED" in failure_of(server.address)


def test_a_server_without_tls_is_found_out() -> None:
    server = GrpcioServer()
    assert "failed to speak HTTP/2" in failure_of(server.address)
    server.stop()


def test_a_client_without_tls_is_told_so(server: GrpcioServer) -> None:
    assert "failed to speak HTTP/2" in failure_of(server.address, is_secure=False)


def test_who_comes_after_a_failed_handshake_gets_its_reason(server: GrpcioServer) -> None:
    layer = TlsLayer("another.example")
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as sock:
        sock.sendall(layer.sealed(b""))
        reasons = []
        while not reasons:
            words = sock.recv(65_536)
            try:
                layer.opened(words)
            except ssl.SSLError as error:
                reasons.append(str(error))
    # Reader and senders share the layer, and who tells of the failure first is chance.
    for ask in (layer.sealed, layer.opened):
        with pytest.raises(ssl.SSLError) as caught:
            ask(b"")
        reasons.append(str(caught.value))
    assert "Hostname mismatch" in reasons[0]
    assert reasons == reasons[:1] * 3


def tls_peer(pair: Pair, protocols: list[str], words: bytes, last: bytes) -> Peer:
    """A server that says the words, and the last ones with its farewell behind a request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if protocols:
        context.set_alpn_protocols(protocols)

    def behave(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        plain = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                plain.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65_536))
        plain.write(words)
        sock.sendall(outgoing.read())
        read_frames(Reading(sock, incoming, plain), frames.DATA)  # type: ignore[arg-type]
        plain.write(last)
        try:
            plain.unwrap()
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
        sock.close()

    return Peer(behave)


@dataclass(frozen=True)
class Reading:
    """The receiving half of a socket."""

    sock: socket.socket
    incoming: ssl.MemoryBIO
    plain: ssl.SSLObject

    def recv(self, size: int) -> bytes:
        """Like a socket's."""
        while True:
            try:
                return self.plain.read(size)
            except ssl.SSLWantReadError:
                self.incoming.write(self.sock.recv(65_536))


@pytest.mark.parametrize("protocols", [[], ["h2"], ["http/1.1", "h2"]])
def test_what_comes_with_the_farewell_counts(protocols: list[str], pair: Pair) -> None:
    with tls_peer(pair, protocols, greeting(), answer(1, framed_all([b"hello"]))) as peer:
        channel = Channel(peer.address, is_secure=True)
        assert to_the_end(start(channel, "/a/b")) == ([b"hello"], Status("OK"))


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]])
def test_a_server_that_speaks_http_1_within_tls(protocols: list[str], pair: Pair) -> None:
    with tls_peer(pair, protocols, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"") as peer:
        assert "failed to speak HTTP/2" in failure_of(peer.address)
