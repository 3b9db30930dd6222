"""What /proc knows of processes that somebody else started."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.processes import group_members

KIB = 1024


@dataclass(frozen=True)
class Usage:
    """One process: resident memory in bytes, open file descriptors, native threads."""

    rss: int
    fds: int
    threads: int


def children(pid: int) -> list[int]:
    """Process ids of the direct children, in order; none if the process is gone."""
    try:
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def usage(pid: int) -> Usage:
    """Raises OSError if the process is gone."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    rss = int(fields["VmRSS"].split()[0]) * KIB
    return Usage(rss, len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"]))


def has_open(pid: int, name: str) -> bool:
    """Whether it has a file open whose path has this in it."""
    targets: list[str] = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            targets.append(os.readlink(each))
    return any(name in target for target in targets)


def stub_pid(group: int, model: str) -> int:
    """The Python stub of a Triton model; `group` is tritonserver's own process id."""
    for pid in group_members(group):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(f"/{model}/1/".encode() in each for each in arguments[1:2]):
            return pid
    raise LookupError(f"no stub of {model} in the process group {group}")


def has_stub(group: int, model: str) -> bool:
    """Whether that stub lives."""
    try:
        return stub_pid(group, model) > 0
    except LookupError:
        return False
