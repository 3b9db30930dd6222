"""One connection to a server of the OpenAI API. Standard library only, one thread at a time."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.client.address import ServerAddress
from app.client.errors import broken, refusal, unreachable
from app.terminal.failures import EXIT_CONFIGURATION, CommandError
from app.version import VERSION

# Bytes of a whole answer, and of one line of a stream, that are read at most.
MAX_BODY = 64 * 2**20
MAX_LINE = 16 * 2**20
FAILURES = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status."""

    status: int
    body: bytes

    def json(self) -> Any:
        """What it holds. Raises ServerError, which is what a refusal means, too."""
        if self.status != http.client.OK:
            raise refusal(self.status, self.body)
        return self.content()

    def content(self) -> Any:
        """What it holds, whatever the status. Raises ServerError."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise broken("the server's answer is not JSON") from None


class Connection:
    """Opened by the first request and kept for the next; `timeout` is seconds of silence."""

    def __init__(self, address: ServerAddress, key: str | None, timeout: float) -> None:
        kind = http.client.HTTPSConnection if address.is_secure else http.client.HTTPConnection
        self.address = address
        self._http = kind(address.host, address.port, timeout=timeout)
        self._response: http.client.HTTPResponse | None = None
        self._headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "User-Agent": f"openai-api/{VERSION}",
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def get(self, path: str) -> Answer:
        """Raises ServerError where there is no answer."""
        return self._whole(self._send("GET", path))

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Raises ServerError where there is no answer."""
        return self._whole(self._send("POST", path, body))

    def lines(self, path: str, body: Mapping[str, Any]) -> Iterator[bytes]:
        """The lines of a streamed answer as they come.

        Raises:
            ServerError: a refusal, or a connection that broke.
        """
        response = self._send("POST", path, body)
        if response.status != http.client.OK:
            answer = self._whole(response)
            raise refusal(answer.status, answer.body)
        while line := self._line(response):
            yield line
        # http.client itself does not see that lines have come to the length that was told.
        response.close()

    def close(self) -> None:
        """Go away: a server that was still answering sees that nobody waits any more."""
        sock = self._http.sock
        # http.client keeps the socket open as long as a response is.
        if self._response is not None:
            with suppress(OSError):
                self._response.close()
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._http.close()

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> http.client.HTTPResponse:
        content = None if body is None else json.dumps(body).encode()
        is_kept = self._http.sock is not None
        try:
            return self._exchange(method, path, content)
        except FAILURES as error:
            self.close()
            # A server may close a connection that it has kept for long. Whether it has read this
            # nobody knows, so only what changes nothing there is sent again.
            is_closed = is_kept and isinstance(error, ConnectionResetError | BrokenPipeError)
            if not (is_closed and method == "GET"):
                raise unreachable(self.address, error) from None
        try:
            return self._exchange(method, path, content)
        except FAILURES as error:
            self.close()
            raise unreachable(self.address, error) from None

    def _exchange(self, method: str, path: str, content: bytes | None) -> http.client.HTTPResponse:
        self._http.request(method, self.address.prefix + path, content, self._headers)
        self._response = self._http.getresponse()
        return self._response

    def _whole(self, response: http.client.HTTPResponse) -> Answer:
        try:
            body = response.read(MAX_BODY + 1)
            if response.length and len(body) <= MAX_BODY:
                # A read of so many bytes at most does not say that they ended early.
                raise http.client.IncompleteRead(body)
        except FAILURES as error:
            self.close()
            raise unreachable(self.address, error) from None
        if len(body) > MAX_BODY:
            self.close()
            raise broken(f"the server's answer is larger than {MAX_BODY} bytes")
        return Answer(response.status, body)

    def _line(self, response: http.client.HTTPResponse) -> bytes:
        try:
            line = response.readline(MAX_LINE)
            if not line and response.length:
                raise http.client.IncompleteRead(line)
        except (*FAILURES, ValueError) as error:
            # ValueError: another thread has closed it.
            self.close()
            raise unreachable(self.address, error) from None
        if len(line) == MAX_LINE:
            self.close()
            raise broken(f"the server's answer has a line of more than {MAX_LINE} bytes")
        return line


def key_from(variable: str) -> str | None:
    """The API key in this environment variable, None where it is not set.

    Raises:
        CommandError: it cannot be sent.
    """
    key = os.environ.get(variable, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise CommandError(
            f"{variable} holds characters that a key cannot have", code=EXIT_CONFIGURATION
        )
    return key or None
