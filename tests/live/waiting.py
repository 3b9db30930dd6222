"""Waiting for something to become true, and how late it may be."""

from __future__ import annotations

import time
from collections.abc import Callable

# How late a busy machine may be, in seconds. What a test tells apart from it takes far longer.
LATE = 20.0


def wait_until(is_true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return as soon as `is_true`; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)
