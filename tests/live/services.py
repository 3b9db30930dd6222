"""The whole service with its master, which tests send signals to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from demo.ports import free_ports
from tests.live.http import Server
from tests.live.servers import PROJECT
from tests.live.waiting import wait_until

START_SECONDS = 300.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Service:
    """gunicorn's master and what it serves."""

    server: Server
    process: subprocess.Popen[bytes]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def logged(self, words: str) -> int:
        """How often the log says this."""
        return self.server.log_text().count(words)

    def workers(self) -> set[int]:
        """The process ids of the workers that live."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {pid for pid in map(int, path.read_text().split()) if _is_worker(pid)}

    def exit_code(self, seconds: float) -> int:
        return self.process.wait(seconds)


def _is_worker(pid: int) -> bool:
    try:
        return b"wsgi:app" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@contextmanager
def service(configuration: Path, log: Path, **environment: str) -> Iterator[Service]:
    """Start `openai-api serve` with the settings of `environment`; it is gone at the end."""
    (port,) = free_ports(1)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=PROJECT,
            env={**os.environ, "CONFIG_FILE": str(configuration), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    found = Service(Server("127.0.0.1", port, log, process.pid), process)
    try:
        num_workers = int(environment.get("WORKERS", "2"))
        wait_until(lambda: _is_up(found, num_workers), "the start", START_SECONDS)
        yield found
    finally:
        _stop(process)


def _is_up(found: Service, num_workers: int) -> bool:
    assert found.process.poll() is None, found.server.log_text()
    return found.logged("Worker ready") >= num_workers


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End every process of the group, of which a second master may be one."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            while time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.05)
