"""A real redis-server: the one on PATH, or Debian's, unpacked beside the virtual environment."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / ".venv" / "redis"
# redis-server of Debian 12, with what it needs beyond a minimal Debian.
PACKAGES = (
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "lua-bitop",
    "lua-cjson",
)
START_SECONDS = 10.0


def redis_command() -> tuple[list[str], dict[str, str]]:
    """The program and its environment.

    Raises:
        AssertionError: there is none, and none can be had.
    """
    found = shutil.which("redis-server")
    if found:
        return [found], dict(os.environ)
    if not (FOLDER / "usr/bin/redis-server").exists():
        _unpack()
    (libraries,) = {str(path.parent) for path in FOLDER.glob("usr/lib/*/libjemalloc.so.2")}
    return [str(FOLDER / "usr/bin/redis-server")], {**os.environ, "LD_LIBRARY_PATH": libraries}


def _unpack() -> None:
    """Needs no root: the packages are not installed."""
    assert shutil.which("dpkg"), (
        "these tests need redis-server on PATH, or a Debian from which it can be unpacked"
    )
    fresh = FOLDER.with_suffix(f".{os.getpid()}")
    fresh.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=fresh, check=True)
    for package in fresh.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, fresh], check=True)
    with suppress(OSError):
        fresh.rename(FOLDER)


class Redis:
    """A server on a port of loopback, which keeps nothing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command, environment = redis_command()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]
        self._process = subprocess.Popen(
            [*command, *options], env=environment, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64) == b"+PONG\r\n"
        except OSError:
            return False

    def pause(self) -> None:
        """From now on it takes connections and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """It is gone at once, also if it was paused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
