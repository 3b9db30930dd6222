"""The application in a process of its own, under each kind of WSGI host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from demo.ports import free_ports
from tests.live.http import Server

PROJECT = Path(__file__).parents[2]
START_SECONDS = 300.0

# Each is a command for a port; all read the same settings from the environment.
HOSTS = {
    "gunicorn": lambda port: ["-m", "app", "serve", "--port", str(port), "--workers", "1"],
    "flask": lambda port: ["-m", "flask", "--app", "wsgi", "run", "--port", str(port)],
    "waitress": lambda port: [
        "-m",
        "waitress",
        f"--listen=127.0.0.1:{port}",
        "--threads=16",
        "--channel-request-lookahead=1",
        "wsgi:app",
    ],
}


@contextmanager
def running(host: str, configuration: Path, log: Path, **environment: str) -> Iterator[Server]:
    """Start the application under `host`; its output goes to `log`. Stops it at the end."""
    (port,) = free_ports(1)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *HOSTS[host](port)],
            cwd=PROJECT,
            env={**os.environ, "CONFIG_FILE": str(configuration), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server("127.0.0.1", port, log, process.pid)
    try:
        _wait(server, process)
        yield server
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # The group may be gone, and with gunicorn it is more than the one process.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(
                f"the server ended with {process.returncode}:\n{server.log_text()}"
            )
        try:
            if server.get("/health").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer:\n{server.log_text()}")


def write_configuration(path: Path, content: dict[str, object]) -> Path:
    """Write a configuration file."""
    path.write_text(json.dumps(content, indent=4), encoding="utf-8")
    return path
