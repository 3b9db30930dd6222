"""A circuit breaker: a Triton that fails is left alone, and tried again with one request.

https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import ApiError
from app.triton.errors import unavailable

MAX_CONSECUTIVE_FAILURES = 5
WINDOW_SECONDS = 10
MIN_CALLS_IN_WINDOW = 20
MAX_FAILED_SHARE = 0.5
FIRST_PAUSE = 1.0
CLOSED = "closed"
MAX_PAUSE = 30.0
# So many failed probes in a row open it after a failure, which need not be Triton's own silence.
MAX_FAILED_PROBES = 2
# Seconds that a trial may take before another is made beside it.
TRIAL_SECONDS = 5.0
# Seconds for which one that has failed is asked last.
SUSPICION = 5.0


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A call that is let through: an ordinary one, or a trial of an `opening`, counted from 1."""

    opening: int = 0

    @property
    def is_trial(self) -> bool:
        """Whether an open breaker has let it through."""
        return self.opening > 0


ORDINARY = Entry()


class Breaker:
    """One model on one Triton. Closed, it lets every call through.

    It opens after five failures in a row, or when half of at least twenty calls within ten seconds
    failed. After a pause of a second, doubled up to thirty each time, one call is let through, and
    another each five seconds while that is not answered; with an answer it closes. While probes
    fail, no call is let through; one that succeeds then shows that Triton is back, and closes it.
    After a single failure two failed probes open it as well, so that not four more calls have to
    find out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._suspect_until = -math.inf
        self._failed_probes = 0
        # Seconds of the clock, with the calls that ended in each and how many of them failed.
        self._window: deque[list[int]] = deque(maxlen=WINDOW_SECONDS + 1)
        self._pause = 0.0
        self._retry_at = 0.0
        self._known_until = -math.inf
        self._num_openings = 0
        self._tried_at = -math.inf
        self._last_trial: Entry | None = None
        self._error: ApiError | None = None

    @property
    def error(self) -> ApiError | None:
        """The failure that opened it; None while it is closed."""
        return self._error

    @property
    def known_error(self) -> ApiError | None:
        """The failure that opened it, unless it may be over: nothing has failed for 30 seconds.

        Shorter pauses are for the trials; whoever looks from outside would see them as health.
        """
        is_recent = self._failed_probes or self._clock() < self._known_until
        return self._error if is_recent else None

    @property
    def state(self) -> str:
        """closed, open, or half_open when a trial is due or under way."""
        if self._error is None:
            return CLOSED
        return "half_open" if self._is_tried() or self.allows() else "open"

    @property
    def is_suspect(self) -> bool:
        """Whether a call has just failed, so that another Triton is the better choice."""
        return self._clock() < self._suspect_until

    @property
    def remaining(self) -> float:
        """Seconds until a call may be let through, as far as that is known."""
        return max(self._retry_at - self._clock(), 0.0)

    def allows(self) -> bool:
        """Whether `begin` would let a call through."""
        if self._error is None:
            return True
        return not (self._is_tried() or self._failed_probes or self.remaining)

    def begin(self) -> Entry | None:
        """Let a call through, or None; one verdict follows each that was let through.

        While this is open only its trials' verdicts count, not those of calls from before.
        """
        with self._lock:
            if not self.allows():
                return None
            if self._error is None:
                return ORDINARY
            self._tried_at = self._clock()
            self._last_trial = Entry(self._num_openings)
            return self._last_trial

    def answered(self, entry: Entry) -> None:
        """A call has its first answer, which of a trial is enough to close."""
        if entry.is_trial:
            with self._lock:
                if self._is_tried_by(entry):
                    self._close()

    def succeeded(self, entry: Entry) -> None:
        """A call has ended well."""
        with self._lock:
            if self._error is None:
                self._in_a_row = 0
                self._trust()
                self._count(is_failure=False)
            elif self._is_tried_by(entry):
                self._close()

    def failed(self, entry: Entry, error: ApiError, *, is_definite: bool) -> None:
        """A call has failed by Triton's fault; one that is definite opens at once."""
        with self._lock:
            if self._error is not None:
                if self._is_tried_by(entry):
                    self._open(error)
                return
            self._in_a_row += 1
            self._suspect_until = self._clock() + SUSPICION
            self._count(is_failure=True)
            is_over = is_definite or self._in_a_row >= MAX_CONSECUTIVE_FAILURES
            if is_over or self._is_mostly_failing():
                self._open(error)

    def abandoned(self, entry: Entry) -> None:
        """A call has ended without a verdict, as when the client left."""
        with self._lock:
            if entry is self._last_trial:
                self._tried_at = -math.inf

    def probed(self, *, is_ready: bool) -> None:
        """What Triton itself says of the model, asked while this is open or suspect."""
        with self._lock:
            if is_ready:
                if self._failed_probes:
                    self._close()
                self._trust()
                return
            self._failed_probes += 1
            is_over = self.is_suspect and self._failed_probes >= MAX_FAILED_PROBES
            if self._error is None and is_over:
                self._open(unavailable("it failed, and does not answer questions either"))
                self._failed_probes = 1

    def _open(self, error: ApiError) -> None:
        # A trial that fails hides no failed probe: the next probe may show that Triton is back.
        if self._error is None:
            self._num_openings += 1
            self._failed_probes = 0
        self._pause = min(self._pause * 2, MAX_PAUSE) or FIRST_PAUSE
        self._retry_at = self._clock() + self._pause
        self._known_until = self._clock() + MAX_PAUSE
        # A copy has no traceback, whose frames would keep the request.
        self._error = copy.copy(error)
        self._tried_at = -math.inf

    def _is_tried_by(self, entry: Entry) -> bool:
        return self._error is not None and entry.opening == self._num_openings

    def _is_tried(self) -> bool:
        return self._clock() < self._tried_at + TRIAL_SECONDS

    def _trust(self) -> None:
        self._suspect_until = -math.inf
        self._failed_probes = 0

    def _close(self) -> None:
        self._error = None
        self._pause = 0.0
        self._in_a_row = 0
        self._tried_at = -math.inf
        self._trust()
        self._window.clear()

    def _count(self, *, is_failure: bool) -> None:
        second = int(self._clock())
        if not self._window or self._window[-1][0] != second:
            self._window.append([second, 0, 0])
        self._window[-1][1] += 1
        self._window[-1][2] += is_failure

    def _is_mostly_failing(self) -> bool:
        since = self._clock() - WINDOW_SECONDS
        recent = [counts for counts in self._window if counts[0] >= since]
        num_calls = sum(calls for _, calls, _ in recent)
        num_failures = sum(failures for _, _, failures in recent)
        return num_calls >= MIN_CALLS_IN_WINDOW and num_failures >= MAX_FAILED_SHARE * num_calls
