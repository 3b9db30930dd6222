"""The server by its real command line, with two workers and short limits, and what can be seen.

with Gateway(configuration, folder / "log").running() as gateway:
    gateway.server.post("/v1/completions", {...})      # a tests.live.http.Server
    gateway.worker_pids, gateway.usage(), gateway.log_since(0)
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from demo.ports import free_ports
from tests.faults.bench.processes import Usage, children, usage
from tests.live.http import Server

PROJECT = Path(__file__).parents[3]
NUM_WORKERS = 2
START_SECONDS = 120.0
STOP_SECONDS = 60.0
ENVIRONMENT = {"GRACEFUL_TIMEOUT": "10", "KEEP_ALIVE_INTERVAL": "1", "BODY_TIMEOUT": "3"}
"""`: ` comments each second of silence; idle and first-token limits are the configuration's."""

RUNNING = re.compile(r"^openai_api_requests_(?:running|waiting){[^}]*} (\S+)$", re.MULTILINE)
BREAKER = re.compile(r'^openai_api_backend_breaker_state\{model="([^"]*)"[^}]*\} [12]', re.M)
LAG = re.compile(
    r'^openai_api_event_loop_lag_seconds_bucket{.*le="([^"]+)".*} (\S+)$', re.MULTILINE
)


class Gateway:
    """One master with its workers. It may be started again after it was stopped."""

    def __init__(
        self,
        configuration: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        """`environment` adds to `ENVIRONMENT`, or replaces what it says.

        `prefix` is a program that runs the command in its own place, as `taskset -c 1`.
        """
        (port,) = free_ports(1)
        self._prefix = prefix
        self._configuration = configuration
        self._environment = {**ENVIRONMENT, **(environment or {})}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.server = Server(host, port, log, 0)

    @contextmanager
    def running(self) -> Iterator[Gateway]:
        """Start it and wait until it answers; stop it at the end."""
        self.start()
        try:
            self.wait_until_alive()
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Start the master, in a process group of its own."""
        host, port = self.server.host, self.server.port
        command = [*self._prefix, sys.executable, "-m", "app", "serve"]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, f"--host={host}", f"--port={port}", f"--workers={NUM_WORKERS}"],
                cwd=PROJECT,
                env={**os.environ, "CONFIG_FILE": str(self._configuration), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.server = Server(host, port, self._log, self._process.pid)

    def wait_until_alive(self) -> None:
        """Return once all workers are there and one answers. Fails if the master ends."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_alive():
            assert self._master.poll() is None, f"the gateway ended:\n{self.server.log_text()}"
            assert time.monotonic() < deadline, f"no answer:\n{self.server.log_text()}"
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM to the master, in the end SIGKILL to its group; gives its exit status."""
        master = self._master
        master.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            master.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(master.pid, signal.SIGKILL)
        return master.wait()

    @property
    def master_pid(self) -> int:
        """The process that has the workers as children."""
        return self._master.pid

    @property
    def worker_pids(self) -> list[int]:
        """In order."""
        return children(self.master_pid)

    def usage(self) -> dict[int, Usage]:
        """Of each worker."""
        return {pid: usage(pid) for pid in self.worker_pids}

    def log_since(self, offset: int) -> str:
        """What was logged behind so many characters."""
        return self.server.log_text()[offset:]

    def num_running(self) -> int:
        """Requests that run or wait, by the gauges of all workers."""
        return int(sum(map(float, RUNNING.findall(self._metrics()))))

    def lags(self) -> Counter[float]:
        """How often the event loops were late by at most so many seconds, up to infinity."""
        found: Counter[float] = Counter()
        for bound, count in LAG.findall(self._metrics()):
            found[float(bound)] += int(float(count))
        return found

    def left_alone(self) -> set[str]:
        """Models of which some worker leaves a Triton alone."""
        return set(BREAKER.findall(self._metrics()))

    def _metrics(self) -> str:
        answer = self.server.get("/metrics")
        assert answer.status == 200, answer.status
        return answer.body.decode()

    @property
    def _master(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("Gateway.start() has not been called")
        return self._process

    def _is_alive(self) -> bool:
        with contextlib.suppress(OSError):
            is_whole = len(self.worker_pids) == NUM_WORKERS
            return is_whole and self.server.get("/livez").status == 200
        return False
