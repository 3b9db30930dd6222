"""Servers on loopback that do to each connection what a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from app.triton.grpc_client import frames


class Peer:
    """It runs `behave` with each connection's socket in a thread of its own."""

    def __init__(self, behave: Callable[[socket.socket], object], host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.num_accepted = 0
        self._behave = behave
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Peer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.num_accepted += 1
                self._sockets.append(sock)
                threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        with suppress(OSError):
            self._behave(sock)


def silent(sock: socket.socket) -> None:
    """It says nothing, until the client leaves."""
    while sock.recv(65_536):
        pass


def saying(words: bytes) -> Callable[[socket.socket], None]:
    """It says the words at once, and no more."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(words)
        silent(sock)

    return behave


def read_frames(sock: socket.socket, kind: int) -> None:
    """Read until the client has sent a frame of that kind."""
    preface = b""
    while len(preface) < len(frames.PREFACE):
        preface += sock.recv(len(frames.PREFACE) - len(preface))
    splitter = frames.FrameSplitter(2**24)
    while True:
        data = sock.recv(65_536)
        if not data or any(each[0] == kind for each in splitter.frames(data)):
            return
