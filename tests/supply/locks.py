"""The lock files, and the environments that are installed from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
SERVER = PROJECT / "requirements.txt"
DEVELOPMENT = PROJECT / "requirements-dev.txt"
TRACING = PROJECT / "requirements-tracing.txt"
CLIENTS = sorted((PROJECT / "tests" / "clients" / "requirements").glob("*.txt"))
DEMO = PROJECT / "demo" / "requirements.txt"
DOCUMENTATION = PROJECT / "docs" / "requirements.txt"
TRACING = PROJECT / "requirements-tracing.txt"
LOCKS = (
    SERVER,
    DEVELOPMENT,
    TRACING,
    DEMO,
    DOCUMENTATION,
    TRACING,
    *sorted((PROJECT / "tests").glob("*/requirements/*.txt")),
    *sorted((PROJECT / "tests").glob("*/requirements.txt")),
    *sorted((PROJECT / "benchmarks" / "requirements").glob("*.txt")),
)


@dataclass(frozen=True)
class Pin:
    """One entry of a lock, with the sha256 sums of its files in hexadecimal."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The one version that is allowed."""
        (only,) = self.requirement.specifier
        assert only.operator == "==", str(self.requirement)
        return only.version

    @property
    def is_for_this_python(self) -> bool:
        return self.requirement.marker is None or self.requirement.marker.evaluate()


@cache
def entries(lock: Path) -> tuple[str, ...]:
    """The lines of a lock, those that continue another joined to it, without comments."""
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and line[0] != "#")


def options(lock: Path) -> list[str]:
    """What a lock says to pip itself."""
    return [line for line in entries(lock) if line.startswith("-")]


@cache
def pins(lock: Path) -> tuple[Pin, ...]:
    """Every package of a lock. Raises InvalidRequirement for what is not one."""
    split = [re.split(r"\s+--hash=", line) for line in entries(lock) if line[0] != "-"]
    return tuple(Pin(Requirement(first), tuple(hashes)) for first, *hashes in split)


def locked(*locks: Path) -> dict[str, str]:
    """Name and version of what these locks install on this machine."""
    return {pin.name: pin.version for lock in locks for pin in pins(lock) if pin.is_for_this_python}


def site_packages(environment: Path) -> Path:
    """Where an environment has its packages."""
    found = sorted(environment.glob("lib/python3*/site-packages"))
    assert found, f"{environment} is not installed; run it with: make test"
    return found[0]


def installed(environment: Path) -> dict[str, str]:
    """Name and version of what an environment has."""
    return {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in distributions(path=[str(site_packages(environment))])
    }
