"""Ending processes: with their launcher, and all of a process group."""

import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal the kernel sends a process when the thread that started it ends."""

# Loaded here, because between fork and exec nothing may be imported or allocated.
_LIBC = ctypes.CDLL(None, use_errno=True)

GROUP_SECONDS = 5.0


def end_with_launcher() -> None:
    """Run in the child before exec: SIGTERM when the launcher dies, however it dies."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_for_group(group: int) -> None:
    """Return when no live process of the killed group is left, or after `GROUP_SECONDS`."""
    deadline = time.monotonic() + GROUP_SECONDS
    while group_members(group) and time.monotonic() < deadline:
        time.sleep(0.01)


def group_members(group: int) -> list[int]:
    """Process ids of the group's live processes, without zombies that init has yet to reap."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if _is_live_member(pid, group)]


def _is_live_member(pid: int, group: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # pid (name) state parent group ...; the name may hold spaces and brackets.
    state, _, member_of = stat.rpartition(")")[2].split()[:3]
    return int(member_of) == group and state not in "ZX"
