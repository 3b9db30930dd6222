"""How many calls may be repeated: a tenth of all, so that an outage is not made worse."""

from __future__ import annotations

import threading

SHARE = 0.1
# So many at once, which is more than it takes until a dead Triton is left alone.
RESERVE = 10.0


class RetryBudget:
    """Each call earns a tenth of a repetition, and at most ten are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = RESERVE

    def earn(self) -> None:
        """A call has begun."""
        with self._lock:
            self._left = min(self._left + SHARE, RESERVE)

    def spend(self) -> bool:
        """Whether a call may be repeated, which is then counted."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
