"""The demo's Triton as a Python object: start, wait until ready, stop, kill.

    with TritonServer([DEMO_REPOSITORY], *free_ports(3)) as server:
        ...  # server.grpc_url, server.http_url, server.metrics_url

It listens on the loopback address only: 2.51.0 predates several security fixes. Nothing outlives
it: its process group holds the Python stubs, it ends with the launcher, and its shared memory is
removed.
"""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from demo import shared_memory
from demo.environment import DEMO, Environment, ensure_environment
from demo.errors import DemoError
from demo.ports import LOOPBACK, check_port, free_ports
from demo.processes import end_with_launcher, wait_for_group

__all__ = ["DEMO_REPOSITORY", "DemoError", "TritonServer", "free_ports"]

DEMO_REPOSITORY = DEMO / "repository"
PORTS_OPTION = "--triton-ports"

EXIT_SECONDS = 3
"""How long Triton itself waits after SIGTERM for requests in flight and open HTTP connections."""

STOP_SECONDS = 6.0
"""How long `stop` waits after SIGTERM before it kills."""

ERROR_LINE = re.compile(r"^E\d{4} \S+ \d+ [\w.]+:\d+\] (?P<text>.*)|^error: (?P<other>.*)")

# The first only follows the reason; the second is in every log of a machine without a GPU.
NO_REASONS = ("failed to load all models", "CudaDriverHelper has not been initialized")


class TritonServer:
    """One tritonserver process with its Python stubs, on 127.0.0.1.

    Start it from a thread that lives as long as the server: the kernel ends it with that thread.
    """

    def __init__(
        self,
        repositories: Sequence[Path],
        http_port: int,
        grpc_port: int,
        metrics_port: int,
        *,
        environment: Environment | None = None,
        log_file: Path | None = None,
    ) -> None:
        """`log_file` receives Triton's output; by default a temporary file, which `stop` removes.

        A stopped server may be started again, on the same ports.
        """
        self.repositories = tuple(repositories)
        self.http_url = f"{LOOPBACK}:{http_port}"
        self.grpc_url = f"{LOOPBACK}:{grpc_port}"
        self.metrics_url = f"http://{LOOPBACK}:{metrics_port}/metrics"
        self.shm_prefix = shared_memory.new_prefix()
        self.ports = {"http": http_port, "grpc": grpc_port, "metrics": metrics_port}
        self._environment = environment
        self._is_own_log = log_file is None
        self.log_file = log_file or Path(os.devnull)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of tritonserver, which is also its process group's."""
        return self._started().pid

    def start(self) -> None:
        """Start the process and return at once. Raises `DemoError`: port in use, no environment."""
        for port in self.ports.values():
            check_port(LOOPBACK, port, PORTS_OPTION)
        environment = self._environment or ensure_environment()
        shared_memory.remove_abandoned()
        if self._is_own_log:
            self.log_file = _temporary_log()
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(environment),
                env=environment.variables(),
                # The stubs import from the working directory first.
                cwd=environment.backends,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_launcher,
            )

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Return once every model is ready; `timeout` in seconds.

        Raises `DemoError` with Triton's own last error line if it ends or does not get ready.
        """
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if self.exit_code() is not None:
                raise DemoError(f"Triton did not start: {self.last_error()}")
            if time.monotonic() > deadline:
                raise DemoError(f"Triton is not ready after {timeout:g} s: {self.last_error()}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Whether Triton answers that it and all of its models are ready."""
        connection = http.client.HTTPConnection(self.http_url, timeout=2.0)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.client.OK
        return False

    def exit_code(self) -> int | None:
        """The exit status, None while it runs."""
        return self._started().poll()

    def stop(self) -> None:
        """SIGTERM, after `STOP_SECONDS` SIGKILL; leaves no process, shared memory or own log."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()
        if self._is_own_log:
            self.log_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL to tritonserver and its stubs at once; removes the shared memory."""
        process = self._started()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_for_group(process.pid)
        shared_memory.remove(self.shm_prefix)

    def last_error(self) -> str:
        """The last line of the log that says why something failed, without its time stamp."""
        found = [ERROR_LINE.match(line) for line in self.log_file.read_text().splitlines()]
        texts = [match["text"] or match["other"] for match in found if match]
        reasons = [text for text in texts if text and not any(each in text for each in NO_REASONS)]
        return reasons[-1].strip('" ') if reasons else f"no reason given, see {self.log_file}"

    def __enter__(self) -> "TritonServer":
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("TritonServer.start() has not been called")
        return self._process

    def _command(self, environment: Environment) -> list[str]:
        repositories = [f"--model-repository={path.resolve()}" for path in self.repositories]
        ports = [f"--{name}-port={port}" for name, port in self.ports.items()]
        addresses = [f"--{name}-address={LOOPBACK}" for name in self.ports]
        return [
            str(environment.program),
            *repositories,
            *ports,
            *addresses,
            f"--backend-directory={environment.backends}",
            f"--backend-config=python,shm-region-prefix-name={self.shm_prefix}",
            "--allow-gpu-metrics=false",
            "--allow-cpu-metrics=false",
            # Otherwise each model's stub is started twice, once only to ask for its configuration.
            "--disable-auto-complete-config",
            f"--exit-timeout-secs={EXIT_SECONDS}",
        ]


def _temporary_log() -> Path:
    handle, name = tempfile.mkstemp(prefix="openai-api-demo-triton-", suffix=".log")
    os.close(handle)
    return Path(name)
