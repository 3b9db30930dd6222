"""The benchmark's C programs, compiled once in a test run, and a mock Triton that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.applications import closed_port
from tests.packages.made_once import made_once

SOURCES = Path(__file__).resolve().parents[2] / "benchmarks" / "native"


def programs() -> Path:
    """The folder with the programs. CFLAGS of the environment are the compiler's."""
    return made_once("native", _compile)


def _compile(folder: Path) -> None:
    if not shutil.which(os.environ.get("CC", "cc")):
        pytest.fail("The benchmark's programs are in C and there is no C compiler: install gcc")
    command = ["make", "-C", str(SOURCES), f"BIN={folder}"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode or "warning" in made.stderr:
        pytest.fail(f"The benchmark's programs do not compile:\n{made.stderr}")


@dataclass(frozen=True, slots=True)
class Mock:
    """The addresses of a mock Triton, and what it has written."""

    grpc: str
    http: str
    log: Path


@contextmanager
def mock_triton(folder: Path, tokens: tuple[int, ...]) -> Iterator[Mock]:
    """A mock whose answers are these tokens, over and over; it must end without a complaint."""
    grpc_port, http_port = closed_port(), closed_port()
    ids, log = folder / "tokens.txt", folder / "mock.log"
    ids.write_text("\n".join(map(str, tokens)))
    words = [str(programs() / "mock_triton"), "--grpc-port", str(grpc_port)]
    words += ["--http-port", str(http_port), "--tokens", str(ids)]
    with (
        log.open("w") as errors,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", log.read_text()
            yield Mock(f"127.0.0.1:{grpc_port}", f"127.0.0.1:{http_port}", log)
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
    assert log.read_text() == ""
