"""Servers that are started as the pages say."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.commands import ENVIRONMENT
from tests.docs.pages import PROJECT

START_SECONDS = 150.0


@contextmanager
def started(commands: dict[int, str], configuration: Path, logs: Path) -> Iterator[None]:
    """Run each command with its port and one worker, its output in a file of the port's name.

    Returns once all answer; fails with the log of one that does not.
    """
    processes = {port: _start(port, text, configuration, logs) for port, text in commands.items()}
    try:
        for port, process in processes.items():
            assert _answers(port, process), f"{commands[port]}: {(logs / str(port)).read_text()}"
        yield
    finally:
        for process in processes.values():
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes.values():
            process.wait(60)


def _start(port: int, command: str, configuration: Path, logs: Path) -> subprocess.Popen[bytes]:
    variables = {"PORT": str(port), "CONFIG_FILE": str(configuration), "WORKERS": "1"}
    with (logs / str(port)).open("wb") as log:
        return subprocess.Popen(
            ["bash", "-euc", f"exec {command}"],
            cwd=PROJECT,
            env={**ENVIRONMENT, **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    return False
