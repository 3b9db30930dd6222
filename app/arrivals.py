"""Whether more of an answer is here already, so that one write can take it along."""

from __future__ import annotations

import time
from collections.abc import Callable


class Arrivals:
    """What the two ends of a stream tell each other: the backend's reader, and what writes.

    Whoever writes may wait for more while it `is_gathering`; the reader then passes on a sign of
    life as soon as it would have to wait itself.
    """

    def __init__(self) -> None:
        self.has_more: Callable[[], bool] = _knows_of_nothing
        self.is_gathering = False

    def follow(self, has_more: Callable[[], bool] | None) -> None:
        """From now on this tells whether the next piece comes without waiting."""
        self.has_more = has_more or _knows_of_nothing

    def must_be_told(self) -> bool:
        """Whether somebody gathers while there is nothing more."""
        return self.is_gathering and not self.has_more()


def _knows_of_nothing() -> bool:
    return False


class Silence:
    """How long pieces that come have brought nothing to whoever waits.

    `begun` is when that began, 0 once something was told.
    """

    def __init__(self, arrivals: Arrivals, patience: float) -> None:
        """A sign of life is due after `patience` seconds."""
        self._arrivals = arrivals
        self._patience = patience
        self.begun = 0.0

    def must_be_told(self) -> bool:
        """Whether to give a sign of life, where a piece has brought nothing else."""
        now = time.monotonic()
        self.begun = self.begun or now
        if now - self.begun < self._patience and not self._arrivals.must_be_told():
            return False
        self.begun = 0.0
        return True
