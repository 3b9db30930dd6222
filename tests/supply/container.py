"""The application as compose.yaml runs it, without a container engine: see container.sh."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.live.http import Server
from tests.supply import dockerfile
from tests.supply.dockerfile import Image
from tests.supply.namespaces import IS_ROOT, unshare

SCRIPT = Path(__file__).with_name("container.sh")
# Anybody: neither root nor the number that the image has.
UID = 65534 if IS_ROOT else 0
START_SECONDS = 150.0


@dataclass(frozen=True)
class Container:
    """A running one. `pid` is the master's, as this machine sees it; inside it is 1."""

    server: Server
    pid: int
    process: subprocess.Popen[bytes]

    def processes(self) -> list[int]:
        """The master and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def status(self, pid: int) -> dict[str, str]:
        """What the kernel says of a process."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def writable_mounts(self) -> set[str]:
        """Where its files may be written, if their permissions allow it."""
        lines = Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        return {line.split()[4] for line in lines if "ro" not in line.split()[5].split(",")}

    def terminate(self) -> None:
        """What an engine does to stop it."""
        os.kill(self.pid, signal.SIGTERM)


@contextmanager
def container(folder: Path, run: Path, port: int) -> Iterator[Container]:
    """Start the image's own command with `run` as /LocalRun, on a port of loopback."""
    (folder / "root").mkdir()
    built, image = dockerfile.image(), Image.below(folder)
    for source, copy in ((built.venv, image.venv), (built.home, image.home)):
        shutil.copytree(source, copy, symlinks=True)
    for shown in (image.venv, image.home, run):
        subprocess.run(["chmod", "-R", "a+rX,go-w", shown], check=True)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(folder / "root", image, run, port),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server("127.0.0.1", port, log, process.pid)
    try:
        yield Container(server, _wait(server, process), process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(root: Path, image: Image, run: Path, port: int) -> list[str]:
    places = [root, image.home, image.venv, image.libraries, sys.base_prefix, run, UID]
    variables = dockerfile.environment()
    variables["PATH"] += ":/usr/local/bin:/usr/bin:/bin"
    program, *arguments = json.loads(dockerfile.values("CMD")[0])
    changed = {"0.0.0.0": "127.0.0.1", "5100": str(port)}
    return [
        *unshare("--mount", "--pid", "--fork", "--kill-child"),
        *[str(SCRIPT), *map(str, places)],
        *["env", "-i", *(f"{name}={value}" for name, value in variables.items())],
        *[program, *(changed.get(each, each) for each in arguments)],
    ]


def _wait(server: Server, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.get("/health").status == 200:
                return _child(process.pid)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the container does not answer:\n{server.log_text()}")


def _child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
