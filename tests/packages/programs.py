"""Where such a program is, and what it needs to run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FOLDERS = ("usr/sbin", "usr/bin")
# Some programs have a folder of their own libraries, named after their package.
LIBRARIES = ("**/lib/*-linux-gnu", "**/lib/*-linux-gnu/systemd")


def program(name: str, kind: str) -> str:
    """The path of a program that fetch.sh put into `.venv/<kind>`, or that is on PATH.

    Fails with what to do if it is nowhere.
    """
    places = os.pathsep.join(str(installed(kind) / folder) for folder in FOLDERS)
    found = shutil.which(name) or shutil.which(name, path=places)
    assert found, f"{name} is not there: install it, or run: make .venv/{kind}/ready"
    return found


def environment(kind: str) -> dict[str, str]:
    """The process environment, in which the programs find libraries that came with them."""
    shared = [path for where in LIBRARIES for path in installed(kind).glob(where)]
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, shared))}


def installed(kind: str) -> Path:
    """The folder of fetch.sh; empty where the programs are on PATH."""
    return PROJECT / ".venv" / kind
