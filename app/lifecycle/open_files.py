"""How many connections the kernel lets a process have: each takes open files.

Used in gunicorn's master before gevent patches anything, so only the standard library is used.
"""

from __future__ import annotations

import contextlib
import resource

# A connection is one, and its request may have one to Triton.
FILES_EACH = 2
# A worker at rest has 20, and each of several Tritons takes a few more.
RESERVE = 100


def raise_limit(connections: int) -> None:
    """Let this process and those that it starts open as many files as that takes, or may."""
    soft, hard = _limits()
    wanted = min(RESERVE + FILES_EACH * connections, hard)
    if soft < wanted:
        # A sandbox may forbid it; `possible` tells what is left.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def possible(connections: int) -> int:
    """So many, or as many as this process has files for; at least 1."""
    soft, _ = _limits()
    return max(min(connections, (soft - RESERVE) // FILES_EACH), 1)


def _limits() -> tuple[int, int]:
    """As far as one may go by oneself, and as far as root lets one go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = 2**31 - 1
    return (
        endless if soft == resource.RLIM_INFINITY else soft,
        endless if hard == resource.RLIM_INFINITY else hard,
    )
