"""Calling a request off, from whichever thread or greenlet learns that it is to end."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import ExitStack

from app.errors import ApiError, ClientDisconnected

NOBODY_WAITS = ClientDisconnected("the client went away")


class Cancellation:
    """Tells whoever works on a request that it is to end, and why.

    Safe between threads and greenlets. A callback registered after the fact is called at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._reason: ApiError | None = None

    @property
    def is_cancelled(self) -> bool:
        """True once `cancel` was called."""
        return self._reason is not None

    @property
    def error(self) -> ApiError:
        """What whoever works on the request is to raise: the reason of `cancel`."""
        # A copy, because what is raised gathers the frames that it went through.
        return copy.copy(self._reason or NOBODY_WAITS)

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call `callback` once when the request is cancelled."""
        with self._lock:
            if self._reason is None:
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], object]) -> None:
        """Take a callback back; it may have been called or taken back before."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def cancel(self, reason: ApiError = NOBODY_WAITS) -> None:
        """Tell everybody who registered, once. The first reason counts.

        Raises what the last callback that fails has raised, when all have been called.
        """
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            self._reason = self._reason or reason
        with ExitStack() as telling:
            # The stack calls each, the last first, also behind one that fails.
            for callback in reversed(callbacks):
                telling.callback(callback)
