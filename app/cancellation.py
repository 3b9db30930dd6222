"""Calling a request off, from whichever thread or greenlet learns that nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancellation:
    """Tells whoever works on a request that nobody waits for the answer any more.

    Safe between threads and greenlets. A callback registered after the fact is called at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """True once `cancel` was called."""
        return self._is_cancelled

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the request is cancelled."""
        with self._lock:
            if not self._is_cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Take a callback back; it may have been called or taken back before."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def cancel(self) -> None:
        """Tell everybody who registered, once."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            self._is_cancelled = True
        for callback in callbacks:
            callback()
