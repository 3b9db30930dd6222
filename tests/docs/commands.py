"""Running what the pages show, with the address of a running server in the place of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.docs.pages import PROJECT

ADDRESS = "http://localhost:5100"
STATUS = "\nstatus %{http_code}"
# The commands that are installed beside the interpreter, openai-api among them.
ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
}


def run_shell(text: str, url: str) -> str:
    """What a shell block prints. Raises CalledProcessError."""
    return _run(["bash", "-euc", text.replace(ADDRESS, url)])


def run_curl(text: str, url: str) -> tuple[str, str]:
    """Body and status of a block with one curl command."""
    printed = run_shell(text.replace("curl ", f"curl -w '{STATUS}' ", 1), url)
    body, _, status = printed.rpartition("\nstatus ")
    return body, status


@cache
def run_python(text: str, url: str) -> str:
    """What a Python block prints; one that stands on several pages is run once."""
    return _run([sys.executable, "-c", text.replace(ADDRESS, url)])


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
