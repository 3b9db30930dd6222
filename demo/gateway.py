"""The gateway as a process of the demo."""

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from demo.environment import DEMO
from demo.errors import DemoError
from demo.processes import end_with_launcher, wait_for_group

STOP_SECONDS = 10.0
"""How long the gateway may finish what it is answering before it is killed."""

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between questions to a gateway that answers, which it logs; the last one is repeated."""

SILENT = "it does not answer"

COMMAND = (sys.executable, "-m", "app", "serve")

NEEDED = ("app", "flask", "gunicorn", "tritonclient", "transformers")
"""Modules whose absence means that the interpreter is not the gateway's."""

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Addresses to listen on that one cannot connect to."""


def check_gateway() -> None:
    """Raise `DemoError` unless this interpreter has the gateway and its libraries."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoError(
            f"The server cannot run with {sys.executable}, which has no {' or '.join(missing)}:"
            " install it first (make run does) and run this from the project's folder."
        )


class Gateway:
    """`python -m app serve` on `host` and `port`."""

    def __init__(self, host: str, port: int, workers: int | None) -> None:
        """`workers` None leaves the number to the gateway's own settings."""
        address = WILDCARDS.get(host, host)
        self._host, self._port, self._workers = host, port, workers
        self._address = f"[{address}]" if ":" in address else address
        self.url = f"http://{self._address}:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, configuration: Path) -> None:
        """Start the process and return at once; its output goes where the launcher's goes."""
        workers = [] if self._workers is None else ["--workers", str(self._workers)]
        listen = ["--host", self._host, "--port", str(self._port)]
        self._process = subprocess.Popen(
            [*COMMAND, *listen, "--config-file", str(configuration), *workers],
            cwd=DEMO.parent,
            stdin=subprocess.DEVNULL,
            # Ctrl-C reaches the launcher alone, which stops both in order.
            start_new_session=True,
            preexec_fn=end_with_launcher,
        )

    def wait_until_ready(self, names: Collection[str], timeout: float) -> dict[str, str]:
        """Return once the models of these names are ready; `timeout` in seconds.

        Gives the other models that are not, each with its cause. Raises `DemoError` if the
        gateway ends, or with the causes if it does not get ready.
        """
        deadline = time.monotonic() + timeout
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        while True:
            report = self._report(max(deadline - time.monotonic(), 1.0))
            causes = _causes(report or {})
            if report is not None and not causes.keys() & names:
                return causes
            if self.exit_code() is not None:
                raise DemoError(f"The server did not start (exit code {self.exit_code()}).")
            if time.monotonic() > deadline:
                told = "; ".join(f"{name!r} is not ready: {causes[name]}" for name in causes)
                raise DemoError(f"The server is not ready after {timeout:g} s: {told or SILENT}.")
            # Only what answers writes a line to its log.
            time.sleep(0.1 if report is None else next(pauses))

    def exit_code(self) -> int | None:
        """The exit status, None while it runs or was not started."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for the whole group after `STOP_SECONDS`."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        wait_for_group(self._process.pid)

    def _report(self, timeout: float) -> Any:
        """What `/readyz` answers, None while nothing does."""
        connection = http.client.HTTPConnection(f"{self._address}:{self._port}", timeout=timeout)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException, ValueError),
        ):
            connection.request("GET", "/readyz")
            return json.loads(connection.getresponse().read())
        return None


def _causes(report: Mapping[str, Any]) -> dict[str, str]:
    models = report.get("models", {}).items()
    return {name: model["cause"] for name, model in models if not model["ready"]}
