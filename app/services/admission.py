"""How many requests of a model run at once in this process, and how many may wait for a place."""

from __future__ import annotations

import threading
import time

from app.cancellation import Cancellation
from app.errors import ClientDisconnected, ModelOverloaded


class Place:
    """One running request. Releasing it again does nothing."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission

    def release(self) -> None:
        """Let the next one in."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.leave()


class Admission:
    """At most `max_inflight` run and `max_queue` wait, each at most `max_queue_wait` seconds."""

    def __init__(self, max_inflight: int, max_queue: int, max_queue_wait: float) -> None:
        self._max_inflight = max_inflight
        self._max_queue = max_queue
        self._max_queue_wait = max_queue_wait
        self._changed = threading.Condition()
        self.num_inflight = 0
        self.num_waiting = 0

    def enter(self, cancellation: Cancellation) -> Place:
        """Wait for a place.

        Raises:
            ModelOverloaded: the queue is full, or waiting took too long.
            ClientDisconnected: nobody waits for the answer any more.
        """
        with self._changed:
            if self.num_inflight >= self._max_inflight:
                if self.num_waiting >= self._max_queue:
                    raise ModelOverloaded("the model has too many requests waiting; try again")
                self._wait(cancellation)
            self.num_inflight += 1
            return Place(self)

    def leave(self) -> None:
        """Called by a place that is released."""
        with self._changed:
            self.num_inflight -= 1
            self._changed.notify()

    def _wait(self, cancellation: Cancellation) -> None:
        until = time.monotonic() + self._max_queue_wait
        self.num_waiting += 1
        cancellation.on_cancel(self._wake_all)
        try:
            while self.num_inflight >= self._max_inflight:
                if cancellation.is_cancelled:
                    raise ClientDisconnected("the client went away")
                remaining = until - time.monotonic()
                if remaining <= 0:
                    raise ModelOverloaded("the model is busy; try again shortly")
                self._changed.wait(remaining)
        finally:
            self.num_waiting -= 1
            cancellation.forget(self._wake_all)

    def _wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()
