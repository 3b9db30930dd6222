"""Standard error that is no file: a reader that stalls, and a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from tests.applications import (
    standard_configuration,
    write_configuration,
)
from tests.live.http import Server
from tests.live.servers import PROJECT
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    ScriptedHttpTriton,
    ScriptedTriton,
)

SECONDS = 30.0
# A line has about 500 bytes, a pipe room for 64 KiB.
MORE_THAN_A_PIPE = 400


@pytest.fixture
def configuration(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Path:
    return write_configuration(
        tmp_path, standard_configuration(triton.address, http_triton.address)
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
        wait_until(is_up, "the start", 60)
        yield server, process
    finally:
        process.kill()
        process.wait()


def test_a_reader_that_stalls_stops_nobody(configuration: Path) -> None:
    reader, writer = os.pipe()
    with writing_to(writer, configuration) as (server, process):
        for _ in range(MORE_THAN_A_PIPE):
            assert server.get("/nothing").status == 404
        # It still has what it could not write, and then writes it.
        read = b""
        os.set_blocking(reader, False)

        def num_lines() -> int:
            nonlocal read
            try:
                while more := os.read(reader, 65536):
                    read += more
            except BlockingIOError:
                pass
            return read.count(b"GET /nothing")

        wait_until(lambda: num_lines() == MORE_THAN_A_PIPE, "the lines", SECONDS)
        assert all(json.loads(line) for line in read.splitlines())
        for _ in range(MORE_THAN_A_PIPE):
            server.get("/nothing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_a_terminal(configuration: Path, no_color: str, is_coloured: bool) -> None:
    reader, writer = pty.openpty()
    environment = {"TERM": "xterm", "NO_COLOR": no_color}
    with writing_to(writer, configuration, **environment) as (server, _):
        server.get("/nothing")
        read = b""

        def is_told() -> bool:
            nonlocal read
            read += os.read(reader, 65536)
            return b"GET /nothing 404 in" in read

        wait_until(is_told, "the line", SECONDS)
    assert b'{"time"' not in read
    assert (b"\x1b[" in read) is is_coloured
    os.close(reader)
    os.close(writer)
