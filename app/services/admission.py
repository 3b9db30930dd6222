"""How many requests of a model run at once in this process, and how many may wait for a place."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

from app.cancellation import Cancellation
from app.errors import ModelOverloaded
from app.triton.errors import seconds_left


class Place:
    """One running request. Releasing it again does nothing."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let the next one in."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.leave()


class Admission:
    """At most `max_inflight` run and `max_queue` wait, each at most `max_queue_wait` seconds."""

    def __init__(self, max_inflight: int, max_queue: int, max_queue_wait: float) -> None:
        self.max_inflight = max_inflight
        self.max_queue = max_queue
        self._max_queue_wait = max_queue_wait
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self.num_inflight = 0
        self.num_waiting = 0

    def enter(self, cancellation: Cancellation, deadline: float | None = None) -> Place:
        """Wait for a place for a request, behind those that came before, at most to `deadline`.

        Raises:
            BackendTimeout: the deadline has passed.
            ModelOverloaded: the queue is full, or waiting took too long.
            ApiError: the request was called off, for this reason.
        """
        with self._changed:
            if not self._queue and self.num_inflight < self.max_inflight:
                return self._taken(cancellation)
            if self.num_waiting >= self.max_queue:
                raise ModelOverloaded("the model has too many requests waiting; try again")
            self.num_waiting += 1
            try:
                return self._wait(cancellation, deadline, time.monotonic() + self._max_queue_wait)
            finally:
                self.num_waiting -= 1

    def enter_again(self, cancellation: Cancellation, deadline: float | None = None) -> Place:
        """Wait for one more place for a request that has one, as long as it takes.

        A request's own prompts are not a reason to refuse it.

        Raises:
            BackendTimeout: the deadline has passed.
            ApiError: the request was called off, for this reason.
        """
        with self._changed:
            return self._wait(cancellation, deadline, math.inf)

    def leave(self) -> None:
        """Called by a place that is released."""
        with self._changed:
            self.num_inflight -= 1
            self._changed.notify_all()

    def _wait(self, cancellation: Cancellation, deadline: float | None, until: float) -> Place:
        ticket = object()
        self._queue.append(ticket)
        cancellation.on_cancel(self._wake_all)
        try:
            while not cancellation.is_cancelled:
                if self._queue[0] is ticket and self.num_inflight < self.max_inflight:
                    return self._taken(cancellation)
                left = until - time.monotonic()
                if left <= 0:
                    raise ModelOverloaded("the model is busy; try again shortly")
                left = seconds_left(left, deadline)
                self._changed.wait(None if math.isinf(left) else left)
            raise cancellation.error
        finally:
            cancellation.forget(self._wake_all)
            self._queue.remove(ticket)
            # Whoever is first now may have a place already.
            self._changed.notify_all()

    def _taken(self, cancellation: Cancellation) -> Place:
        if cancellation.is_cancelled:
            raise cancellation.error
        self.num_inflight += 1
        return Place(self)

    def _wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()
