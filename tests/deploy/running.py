"""The server with a set of variables and nothing else, told by it when it is ready."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.live.http import Server
from tests.live.waiting import wait_until

READY_SECONDS = 150.0
# Where `openai-api` is installed for the tests.
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Service:
    """A running one. `said` is what it told its manager, as systemd's sd_notify has it."""

    api: Server
    probes: Server
    process: subprocess.Popen[bytes]
    said: str

    def is_ready(self) -> bool:
        return _status(self.probes, "/readyz") == 200


@contextmanager
def service(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, *before: str
) -> Iterator[Service]:
    """Run `command` from /, behind the words `before`, and wait until it says READY=1."""
    log, address = folder / "log", folder / "notify"
    port, probes = int(variables["PORT"]), int(variables["METRICS_BIND"].rpartition(":")[2])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, log.open("wb") as output:
        manager.bind(str(address))
        manager.settimeout(READY_SECONDS)
        process = subprocess.Popen(
            [*before, *command],
            cwd="/",
            env={"PATH": os.defpath, **variables, "NOTIFY_SOCKET": str(address)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        api, metrics = (Server("127.0.0.1", each, log, process.pid) for each in (port, probes))
        try:
            said = _said(manager, log)
            wait_until(lambda: _status(metrics, "/livez") == 200, "the first answer", READY_SECONDS)
            yield Service(api, metrics, process, said)
        finally:
            wait_until(lambda: _has_ended(process), "the end", READY_SECONDS)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    # The first SIGTERM may begin a long DRAIN_DELAY, which another one ends.
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)
    return process.returncode is not None


def _said(manager: socket.socket, log: Path) -> str:
    try:
        return manager.recv(4096).decode()
    except TimeoutError:
        raise AssertionError(f"it does not say that it is ready:\n{log.read_text()}") from None


def _status(server: Server, path: str) -> int | None:
    try:
        return server.get(path).status
    except OSError:
        return None
