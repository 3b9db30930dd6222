"""Client libraries in environments of their own: the programs in scripts/ and node/.

`make test` makes the environments from the lock files in requirements/ and node/. A program gets
the server's address as its first argument and prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).parents[2] / ".venv" / "clients"
HERE = Path(__file__).parent
SECONDS = 240.0

# A table of prices that LiteLLM would fetch when it is imported.
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def run_python(environment: str, script: str, *arguments: str, **variables: str) -> Any:
    """What `scripts/{script}` prints, run by the Python of the lock `requirements/{environment}`.

    Fails if the program does, with what it wrote to its standard error.
    """
    return _run(python_command(environment, script, *arguments), OFFLINE | variables)


def run_together(environment: str, server: str, programs: Mapping[str, Sequence[str]]) -> Any:
    """What each of these `scripts` prints, by its name, run one after the other by one Python.

    Each gets the server's address and further arguments. Importing LiteLLM takes seconds.
    """
    return run_python(environment, "together.py", server, json.dumps(programs))


def run_node(script: str, *arguments: str) -> Any:
    """What `node/{script}` prints, run by Node.js with the packages of node/package-lock.json."""
    return _run(node_command(script, *arguments), {})


def python_command(environment: str, script: str, *arguments: str) -> list[str]:
    """The command that `run_python` runs."""
    python = CLIENTS / environment / "bin" / "python"
    assert python.exists(), f"{python} is made by: make test"
    return [str(python), str(HERE / "scripts" / script), *arguments]


def node_command(script: str, *arguments: str) -> list[str]:
    """The command that `run_node` runs."""
    node = shutil.which("node")
    assert node, "these tests need Node.js, see CONTRIBUTING.md"
    assert (HERE / "node" / "node_modules").exists(), "node_modules is made by: make test"
    return [node, str(HERE / "node" / script), *arguments]


class Program:
    """A program that tells on lines of its own how far it is; its last line is its result."""

    def __init__(self, command: list[str]) -> None:
        self._name = Path(command[1]).name
        self._process = subprocess.Popen(
            command,
            env=_environment(OFFLINE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, word: str, count: int = 1) -> None:
        """Return when it has printed `count` lines that say `word`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            count -= line.strip() == word
            if not count:
                return
        raise AssertionError(f"{self._name} failed:\n{self._process.communicate()[1]}")

    def result(self) -> Any:
        """What it prints at last."""
        output, errors = self._process.communicate(timeout=SECONDS)
        assert self._process.returncode == 0, f"{self._name} failed:\n{errors}"
        return json.loads(output.splitlines()[-1])

    def end(self) -> None:
        """Kill it if it still runs."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def started(commands: Mapping[str, list[str]]) -> Iterator[dict[str, Program]]:
    """Start these programs side by side; none outlives the block."""
    programs = {name: Program(command) for name, command in commands.items()}
    try:
        yield programs
    finally:
        for program in programs.values():
            program.end()


def cl100k_folder() -> Path:
    """The folder with tiktoken's file of cl100k_base under tiktoken's own name for it."""
    (folder,) = CLIENTS.glob(
        "openai-2/lib/python*/site-packages/llama_index/core/_static/tiktoken_cache"
    )
    return folder


def _environment(variables: dict[str, str]) -> dict[str, str]:
    # No other variables: keys, proxies and addresses of the person who runs the tests stay out.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | variables


def _run(command: list[str], variables: dict[str, str]) -> Any:
    done = subprocess.run(
        command, env=_environment(variables), capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"{Path(command[1]).name} failed:\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])
