"""Which machine, which versions, which state of the code: what figures mean nothing without."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks.places import BENCH, ROOT, SERVER_ENVIRONMENT

SERVER_PARTS = (
    "flask",
    "gunicorn",
    "gevent",
    "tritonclient",
    "grpcio",
    "protobuf",
    "transformers",
    "tokenizers",
    "numpy",
    "orjson",
)


def describe(num_cores: int) -> dict[str, Any]:
    """The machine, of which so many cores are used, the commit and the date (UTC)."""
    return {
        "cpu": _cpu_model(),
        "cores": num_cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
    }


def server_versions() -> dict[str, str]:
    """Versions of what the server runs on, from its own environment."""
    return installed(SERVER_ENVIRONMENT, SERVER_PARTS)


def installed(environment: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the named packages in a virtual environment; absent ones are left out."""
    folders = [str(path) for path in environment.glob("lib/python3*/site-packages")]
    found = {_normal(each.metadata["Name"]): each for each in distributions(path=folders)}
    return {name: found[name].version for name in names if name in found}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def environment_of(name: str) -> Path:
    """The virtual environment of a peer."""
    return BENCH / name


def _cpu_model() -> str:
    match = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
