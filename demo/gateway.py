"""The gateway as a process of the demo."""

import contextlib
import http.client
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from demo.environment import DEMO
from demo.errors import DemoError
from demo.processes import end_with_launcher, wait_for_group

STOP_SECONDS = 10.0
"""How long the gateway may finish what it is answering before it is killed."""

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
            f"The gateway cannot run with {sys.executable}, which has no {' or '.join(missing)}:"
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

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Return once every model answers through the gateway; `timeout` in seconds.

        Raises `DemoError` if it ends or does not get ready; it has then said why itself.
        """
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            if self.exit_code() is not None:
                raise DemoError(f"The gateway did not start (exit code {self.exit_code()}).")
            if time.monotonic() > deadline:
                raise DemoError(f"The gateway is not ready after {timeout:g} s.")
            time.sleep(0.1)

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

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(f"{self._address}:{self._port}", timeout=5.0)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        return False
