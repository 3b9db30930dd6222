"""Standard error that is no file: a reader that stalls, and a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from tests.applications import (
    standard_configuration,
    write_configuration,
)
from tests.live.entries import unhurried
from tests.live.http import Server
from tests.live.servers import PROJECT, START_SECONDS
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    ScriptedHttpTriton,
    ScriptedTriton,
)

# A line has about 500 bytes, the smallest pipe room for 4 KiB.
PIPE_BYTES = 4096
MORE_THAN_A_PIPE = 40


@pytest.fixture
def configuration(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Path:
    return write_configuration(
        tmp_path, unhurried(standard_configuration(triton.address, http_triton.address))
    )


@contextmanager
def writing_to(descriptor: int, configuration: Path, **environment: str) -> Iterator[Any]:
    """The server with this as its standard error, and its process."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--port", str(port), "--workers", "1"],
        cwd=PROJECT,
        env={**os.environ, "CONFIG_FILE": str(configuration), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=descriptor,
        start_new_session=True,
    )
    server = Server("127.0.0.1", port, Path(os.devnull), process.pid)

    def is_up() -> bool:
        assert process.poll() is None
        try:
            return server.get("/livez").status == 200
        except OSError:
            return False

    try:
        wait_until(is_up, "the start", START_SECONDS)
        yield server, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Told:
    """What comes out of a descriptor, as far as it has come."""

    def __init__(self, descriptor: int) -> None:
        self.text = b""
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def read(self) -> bytes:
        """All of it until now."""
        with suppress(BlockingIOError):
            while more := os.read(self._descriptor, 65536):
                self.text += more
        return self.text


def test_a_reader_that_stalls_stops_nobody(configuration: Path) -> None:
    reader, writer = os.pipe()
    assert fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES
    with writing_to(writer, configuration) as (server, process):
        for _ in range(MORE_THAN_A_PIPE):
            assert server.get("/nothing").status == 404
        # It still has what it could not write, and then writes it.
        told = Told(reader)
        wait_until(lambda: told.read().count(b"GET /nothing") == MORE_THAN_A_PIPE, "the lines")
        assert all(json.loads(line) for line in told.read().splitlines())
        for _ in range(MORE_THAN_A_PIPE):
            server.get("/nothing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    os.close(reader)
    os.close(writer)


def test_a_terminal(configuration: Path) -> None:
    reader, writer = pty.openpty()
    with writing_to(writer, configuration, TERM="xterm", NO_COLOR="") as (server, _):
        server.get("/nothing")
        told = Told(reader)
        wait_until(lambda: b"GET /nothing 404 in" in told.read(), "the line")
    assert b'{"time"' not in told.text
    assert b"\x1b[" in told.text
    os.close(reader)
    os.close(writer)
