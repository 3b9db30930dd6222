"""Connections to one server: opened when they are needed, again when they break."""

from __future__ import annotations

import math
import socket
import threading
import time
import weakref
from contextlib import nullcontext

from app import offload
from app.triton.grpc_client.call import Call, CallEnded
from app.triton.grpc_client.connection import Connection
from app.triton.grpc_client.request import framed, header_block, header_field
from app.triton.grpc_client.status import Status
from app.triton.grpc_client.tls import Layer, PlainLayer, TlsLayer

FIRST_BACKOFF = 0.1
MAX_BACKOFF = 1.0
DEFAULT_PORT = 443
# Seconds.
A_TURN = 0.02
KEEPALIVE_SECONDS = 30
UNACKNOWLEDGED_MS = 20_000


class Channel:
    """Calls to `host:port`. Opens nothing before the first one, so it may be made before a fork.

    A server that limits its streams gets another connection for those beyond. `authority` is how
    the server is named where `host:port` is just one of its addresses.
    """

    def __init__(self, host_and_port: str, *, is_secure: bool, authority: str = "") -> None:
        self._authority = authority or host_and_port
        self._name, _ = _split(self._authority)
        self._host, self._port = _split(host_and_port)
        self._is_secure = is_secure
        self._lock = threading.Lock()
        # Changed in place: when this channel is no more, what is in it is to end.
        self._connections: list[Connection] = []
        weakref.finalize(self, _leave, self._connections).atexit = False
        self._backoff = 0.0
        self._retry_at = -math.inf
        self._failure = Status("UNAVAILABLE")

    def start(
        self,
        path: str,
        message: bytes,
        timeout: float,
        connect_timeout: float,
        traceparent: str | None = None,
    ) -> Call:
        """Send one message on a call of its own, half-closed behind it, for `timeout` seconds.

        Raises:
            CallEnded: there is no connection within `connect_timeout` seconds, or was none
                a moment ago.
        """
        scheme = "https" if self._is_secure else "http"
        block = header_block(self._authority, scheme, path, timeout)
        if traceparent is not None:
            block += header_field("traceparent", traceparent)
        body = framed(message)
        until = time.monotonic() + connect_timeout
        while True:
            connection = self._connection(until)
            call = connection.start(block, body, time.monotonic() + timeout)
            if call is not None:
                return call

    def ask(self, path: str, message: bytes, timeout: float) -> bytes:
        """The only answer to a call, within `timeout` seconds that include the connecting.

        Raises:
            CallEnded: by the server's status, or DEADLINE_EXCEEDED.
        """
        until = time.monotonic() + timeout
        call = self.start(path, message, timeout, timeout)
        try:
            answer = call.take(until)
            if answer is None:
                # On a busy event loop it may be here and not yet read.
                answer = call.take(time.monotonic() + A_TURN)
        except CallEnded as ended:
            if ended.status.code == "OK":
                raise CallEnded(Status("INTERNAL", "the server gave no answer")) from None
            if ended.status.code == "DEADLINE_EXCEEDED":
                call.suspect()
            raise
        if answer is None:
            call.suspect()
            call.cancel()
            raise CallEnded(Status("DEADLINE_EXCEEDED", f"no answer within {timeout} s"))
        return answer

    def close(self) -> None:
        """End all calls; the next one opens a connection again."""
        with self._lock:
            connections = self._connections.copy()
            self._connections.clear()
        for connection in connections:
            connection.close()

    def _connection(self, until: float) -> Connection:
        for connection in self._connections:
            if connection.has_room:
                return connection
        # Whoever has it may have more time to connect.
        if not self._lock.acquire(timeout=max(until - time.monotonic(), 0.0)):
            raise CallEnded(Status("UNAVAILABLE", "no connection in time"))
        try:
            return self._found_or_opened(until)
        finally:
            self._lock.release()

    def _found_or_opened(self, until: float) -> Connection:
        self._connections[:] = [known for known in self._connections if not known.is_closed]
        for connection in self._connections:
            if connection.has_room:
                return connection
        if time.monotonic() < self._retry_at:
            raise CallEnded(self._failure)
        return self._open(until)

    def _open(self, until: float) -> Connection:
        try:
            connection = self._connected(until)
        except CallEnded as error:
            self._backoff = min(self._backoff * 2, MAX_BACKOFF) or FIRST_BACKOFF
            self._retry_at = time.monotonic() + self._backoff
            self._failure = error.status
            raise
        self._backoff = 0.0
        self._connections.append(connection)
        return connection

    def _connected(self, until: float) -> Connection:
        try:
            layer: Layer = TlsLayer(self._name) if self._is_secure else PlainLayer()
            sock = _open_socket(self._host, self._port, until)
        except (OSError, ValueError) as error:  # ValueError: no such name can exist
            raise CallEnded(Status("UNAVAILABLE", f"failed to connect: {error}")) from None
        try:
            connection = Connection(sock, layer)
        except RuntimeError as error:
            sock.close()
            raise CallEnded(Status("UNAVAILABLE", f"failed to connect: {error}")) from None
        failure = connection.wait_until_greeted(max(until - time.monotonic(), 0.0))
        if failure is not None:
            raise CallEnded(
                Status("UNAVAILABLE", f"failed to speak HTTP/2 with the server: {failure.text}")
            )
        if not connection.has_room:
            connection.close()
            raise CallEnded(Status("UNAVAILABLE", "the server takes no calls now"))
        return connection


def _leave(connections: list[Connection]) -> None:
    for connection in connections:
        connection.leave()


def _split(host_and_port: str) -> tuple[str, int]:
    host, colon, port = host_and_port.rpartition(":")
    if not colon or "]" in port:
        host, port = host_and_port, str(DEFAULT_PORT)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _open_socket(host: str, port: int, until: float) -> socket.socket:
    """A socket to the first of the host's addresses that answers; each has its share of the time.

    Raises:
        OSError: none did.
    """
    # Elsewhere than on an event loop the system's resolver has limits of its own.
    limit = max(until - time.monotonic(), 0.001)
    with offload.time_limit(limit) if offload.is_event_loop() else nullcontext():
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError("no time left to connect")
    for place, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (until - time.monotonic()) / (len(addresses) - place)
        if share <= 0:
            break
        try:
            # A kernel without IPv6 refuses already this.
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            sock.settimeout(share)
            _tune(sock)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _tune(sock: socket.socket) -> None:
    """No delays, and a kernel that notices a host that is no more."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_SECONDS // 3),
        ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
