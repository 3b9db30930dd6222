"""A TCP relay between clients and the server that notes every request, and what it was answered.

It knows just enough HTTP for that: heads arrive whole, and nobody pipelines.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from demo.ports import LOOPBACK

REQUEST_ID = re.compile(rb"^x-request-id: *([\w.:-]+)\r$", re.IGNORECASE | re.MULTILINE)
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
ADVICE_MS = re.compile(rb"^retry-after-ms: *(\d+)\r$", re.IGNORECASE | re.MULTILINE)
ADVICE = re.compile(rb"^retry-after: *(\d+)\r$", re.IGNORECASE | re.MULTILINE)
MAX_READ = 65536


@dataclass
class Attempt:
    """One request that came by. Times are the monotonic clock's.

    `answered` is None until the answer's head came by; `advice` is how many seconds its headers
    asked to wait, 0 without advice.
    """

    request_id: str
    came: float
    status: int | None = None
    answered: float | None = None
    advice: float = 0.0


class Relay:
    """Listens on a port of its own and carries everything to `port` and back."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        self._attempts: list[Attempt] = []
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def attempts(self, request_id: str) -> list[Attempt]:
        """The requests that had this id, in the order in which they came."""
        return [each for each in self._attempts if each.request_id == request_id]

    def close(self) -> None:
        # Closing alone would not wake the thread that accepts.
        _end(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        mine: list[Attempt] = []
        server = socket.create_connection((LOOPBACK, self._server_port))
        back = threading.Thread(target=self._carry_back, args=(server, client, mine), daemon=True)
        back.start()
        for data in _read(client):
            if found := REQUEST_ID.search(data):
                attempt = Attempt(found[1].decode(), time.monotonic())
                mine.append(attempt)
                self._attempts.append(attempt)
            with suppress(OSError):
                server.sendall(data)
        _end(server)
        back.join()
        server.close()

    def _carry_back(
        self, server: socket.socket, client: socket.socket, mine: list[Attempt]
    ) -> None:
        for data in _read(server):
            if mine and (found := STATUS.match(data)):
                mine[-1].answered, mine[-1].status = time.monotonic(), int(found[1])
                mine[-1].advice = _advice(data)
            with suppress(OSError):
                client.sendall(data)
        _end(client)
        client.close()


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """A relay to the server on `port`."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()


def _advice(head: bytes) -> float:
    if found := ADVICE_MS.search(head):
        return int(found[1]) / 1000
    found = ADVICE.search(head)
    return float(found[1]) if found else 0.0


def _read(connection: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):
        while data := connection.recv(MAX_READ):
            yield data


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
