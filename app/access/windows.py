"""How much of a key's limits is used in the current minute.

A fixed window is one number for each key and limit, however many tokens there are; a moving window
would keep each of them. A window begins with its first use.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter

log = logging.getLogger(__name__)

# Seconds between two tries to reach a shared storage that fails.
RETRY_SECONDS = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is `left` of `limit`, which is whole again in `reset` seconds."""

    limit: int
    left: int
    reset: float


class Windows:
    """Counts in this process, or in a storage that processes share.

    While a shared storage fails, the counts of this process take its place: requests go on, and
    the limits hold for each process.
    """

    def __init__(self, shared: Storage | None = None) -> None:
        self._own = FixedWindowRateLimiter(MemoryStorage())
        # MemoryStorage loses counts when two threads begin a window at once.
        self._own_lock = threading.Lock()
        self._shared = FixedWindowRateLimiter(shared) if shared is not None else None
        self._is_failing = False
        self._retry_at = 0.0

    def look(self, kind: str, identity: str, limit: int) -> Allowance:
        """What is left."""
        item = RateLimitItemPerMinute(limit, namespace=kind)
        return self._use(lambda limiter: _allowance(limiter, item, identity))

    def take(self, kind: str, identity: str, limit: int, cost: int = 1) -> tuple[bool, Allowance]:
        """Use `cost`, also beyond the limit; True if it was within it, and what is left then."""
        item = RateLimitItemPerMinute(limit, namespace=kind)

        def spend(limiter: FixedWindowRateLimiter) -> tuple[bool, Allowance]:
            return limiter.hit(item, identity, cost=cost), _allowance(limiter, item, identity)

        return self._use(spend)

    def _use(self, use: Callable[[FixedWindowRateLimiter], T]) -> T:
        if self._shared is not None and time.monotonic() >= self._retry_at:
            try:
                return self._use_shared(self._shared, use)
            except StorageError as error:
                self._note_failure(error)
        with self._own_lock:
            return use(self._own)

    def _use_shared(
        self, shared: FixedWindowRateLimiter, use: Callable[[FixedWindowRateLimiter], T]
    ) -> T:
        if self._is_failing:
            # One request tries; the others do not wait for it.
            self._retry_at = time.monotonic() + RETRY_SECONDS
        result = use(shared)
        if self._is_failing:
            self._is_failing, self._retry_at = False, 0.0
            log.warning("RATE_LIMIT_STORAGE answers again; limits are shared")
        return result

    def _note_failure(self, error: StorageError) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if not self._is_failing:
            self._is_failing = True
            log.warning(
                "RATE_LIMIT_STORAGE fails, so limits are counted in each process: %r",
                str(error.storage_error),
            )


def _allowance(limiter: FixedWindowRateLimiter, item: RateLimitItem, identity: str) -> Allowance:
    stats = limiter.get_window_stats(item, identity)
    return Allowance(item.amount, stats.remaining, max(0.0, stats.reset_time - time.time()))
