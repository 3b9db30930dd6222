"""Bytes to the server as they are, and what comes back, response by response."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.live.http import Server

TIMEOUT = 30.0
MAY_CLOSE = (400, 408, 413)
SLOW_BODY = (
    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{"
)
PROBE = b"GET /health HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Response:
    """One response as it was framed; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> dict[str, Any]:
        """OpenAI's error object, with everything that all errors have."""
        assert self.headers["content-type"] == "application/json", self
        assert len(self.headers["x-request-id"]) == 32, self
        assert len(self.body) <= 4096
        (name, error), *more = json.loads(self.body).items()
        assert (name, more) == ("error", [])
        assert set(error) == {"message", "type", "param", "code"}
        return dict(error)


class Wire:
    """One connection."""

    def __init__(self, server: Server, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect((server.host, server.port))
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Send as much as the server takes."""
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def response(self, *, is_head: bool = False) -> Response | None:
        """The next final response; None if the connection is closed before its first byte."""
        while True:
            head = self._until(b"\r\n\r\n")
            if not head:
                return None
            line, *fields = head.decode("latin-1").split("\r\n")
            assert line.startswith("HTTP/1."), line
            status = int(line.split(" ")[1])
            if status >= 200:
                break
        headers = {}
        for field in fields:
            name, value = field.split(": ", 1)
            assert name.lower() not in headers, f"{name} is there twice"
            headers[name.lower()] = value
        return Response(status, headers, b"" if is_head else self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks())
        length = int(headers["content-length"])
        while len(self._rest) < length:
            self._receive()
        body, self._rest = self._rest[:length], self._rest[length:]
        return body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            while len(self._rest) < size + 2:
                self._receive()
            yield self._rest[:size]
            self._rest = self._rest[size + 2 :]
        self._until(b"\r\n")

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            if not self._receive():
                assert self._rest == b"", "the connection was closed in the middle of a response"
                return b""
        found, self._rest = self._rest.split(end, 1)
        return found

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self._rest += data
        return data

    def is_closed(self) -> bool:
        """Whether the server ends the connection, without another byte, before TIMEOUT."""
        return self._rest == b"" and self._receive() == b""

    def has_ended(self) -> bool:
        """Whether the server has ended the connection by now; what it said is thrown away."""
        self.socket.settimeout(0.0)
        try:
            return self.socket.recv(65536) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True


@contextmanager
def wire(server: Server, **options: Any) -> Iterator[Wire]:
    """A connection, which is closed at the end."""
    connection = Wire(server, **options)
    try:
        yield connection
    finally:
        connection.socket.close()


def open_slow(server: Server, count: int) -> list[Wire]:
    """Connections that have begun and do not go on: half of them in the head, half in the body."""
    connections = []
    for start in [b"GET /health HT", SLOW_BODY] * (count // 2):
        connections.append(Wire(server))
        connections[-1].send(start)
    return connections


def exchange(
    server: Server, data: bytes, *, is_head: bool = False, may_close: bool = False
) -> Response | None:
    """The only response to `data`; None if the server just closes.

    If it keeps the connection, this must answer a probe as if nothing had been. It need not keep
    one on which a body is unread, or `may_close`.
    """
    with wire(server) as connection:
        connection.send(data)
        response = connection.response(is_head=is_head)
        if response is None:
            return None
        if response.headers.get("connection") == "close":
            assert connection.is_closed(), "more came after the response"
            return response
        connection.send(PROBE)
        probed = connection.response()
        if probed is None:
            assert response.status in MAY_CLOSE or may_close, "the connection was not kept"
            return response
        assert (probed.status, probed.body) == (200, b'{"status":"ok"}'), probed
        assert connection.is_closed(), "more came after the probe"
        return response
