"""Round robin over the running requests: each gets one unit of work in turn, in one thread.

A new request waits for one turn of the others, never for their end.
"""

import threading
import time
from collections import deque
from typing import Protocol


class Job(Protocol):
    """Work that is done in units."""

    @property
    def ready_at(self) -> float:
        """When the next unit may run, as `time.monotonic()`."""

    def run_unit(self) -> bool:
        """Do one unit; True while there are more. Must not raise."""


class Scheduler:
    """One worker thread that interleaves jobs until `stop`."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="decoder", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue the job and return at once."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def stop(self) -> None:
        """End after the unit that is running; jobs that are not finished stay so."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            if job.run_unit():
                with self._changed:
                    self._jobs.append(job)

    def _next_job(self) -> Job | None:
        """Take the first job that may run, waiting for one; None when stopping."""
        with self._changed:
            while not self._is_stopping:
                now = time.monotonic()
                for job in self._jobs:
                    if job.ready_at <= now:
                        self._jobs.remove(job)
                        return job
                self._changed.wait(self._seconds_to_wait(now))
        return None

    def _seconds_to_wait(self, now: float) -> float | None:
        return min((job.ready_at - now for job in self._jobs), default=None)
