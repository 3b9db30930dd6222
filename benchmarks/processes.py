"""Servers and load generators as pinned processes that end with the harness."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.places import ROOT
from demo.ports import LOOPBACK
from demo.processes import end_with_launcher, wait_for_group

READY_SECONDS = 120.0
STOP_SECONDS = 5.0
LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Command:
    """A program, the cores it may use, and what its environment has beside the harness's."""

    words: Sequence[str]
    cores: set[int]
    env: Mapping[str, str] = field(default_factory=dict)


def start(command: Command, stdout: Any, stderr: Any) -> "subprocess.Popen[bytes]":
    """Start it in a process group of its own, in the project's folder."""

    def before_exec() -> None:
        end_with_launcher()
        os.sched_setaffinity(0, command.cores)

    try:
        return subprocess.Popen(
            list(command.words),
            cwd=ROOT,
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=before_exec,
        )
    except OSError as error:
        raise BenchmarkError(f"{command.words[0]} does not start: {error.strerror}.") from None


class Server:
    """A process that listens, with its log in a file."""

    def __init__(self, name: str, command: Command, log: Path) -> None:
        self.name, self._command, self._log = name, command, log
        with log.open("wb") as output:
            self._process = start(command, output, output)

    @property
    def pid(self) -> int:
        """The first process of the server; workers are its descendants."""
        return self._process.pid

    def wait_until(self, is_ready: Callable[[], bool]) -> float:
        """Seconds until it answered. Raises `BenchmarkError` with the end of its log."""
        started = time.monotonic()
        while not is_ready():
            if self._process.poll() is not None:
                raise self._failure(f"ended with {self._process.returncode}")
            if time.monotonic() - started > READY_SECONDS:
                raise self._failure(f"is not ready after {READY_SECONDS:g} s")
            time.sleep(0.05)
        return time.monotonic() - started

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for what is left of its group."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        wait_for_group(self._process.pid)

    def _failure(self, what: str) -> BenchmarkError:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return BenchmarkError("\n".join([f"{self.name} {what}:", *lines]))


def answers(port: int, path: str) -> bool:
    """Whether GET `path` on the loopback address has status 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5.0)
    with (
        contextlib.closing(connection),
        contextlib.suppress(OSError, http.client.HTTPException),
    ):
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    return False


class Report:
    """A program that measures, prints one JSON object and ends."""

    def __init__(self, command: Command) -> None:
        self._name = Path(command.words[0]).name
        self._process = start(command, subprocess.PIPE, subprocess.PIPE)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Its object may be read at once."""
        return self._process.poll() is not None

    def read(self, timeout: float = 300.0) -> dict[str, Any]:
        """Its object, once it has ended; `timeout` in seconds. Raises `BenchmarkError`."""
        try:
            output, complaints = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchmarkError(f"{self._name} has not ended after {timeout:g} s.") from None
        try:
            found = json.loads(output)
        except ValueError:
            end = complaints.decode(errors="replace").splitlines()[-LOG_LINES:]
            raise BenchmarkError("\n".join([f"{self._name} printed no JSON:", *end])) from None
        return dict(found)

    def kill(self) -> None:
        """SIGKILL to its group, for a measurement that is given up; nothing if it has ended."""
        if self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
