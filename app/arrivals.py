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
        self._has_waiting: Callable[[], bool] | None = None
        self.is_gathering = False

    def follow(self, has_waiting: Callable[[], bool] | None) -> None:
        """Ask this from now on; None knows of nothing."""
        self._has_waiting = has_waiting

    @property
    def has_more(self) -> bool:
        """Whether the next piece comes without waiting, as far as is known."""
        return self._has_waiting is not None and self._has_waiting()

    @property
    def must_be_told(self) -> bool:
        """Whether somebody gathers while there is nothing more."""
        return self.is_gathering and not self.has_more


class Silence:
    """How long pieces that come have brought nothing to whoever waits."""

    def __init__(self, arrivals: Arrivals, patience: float) -> None:
        """A sign of life is due after `patience` seconds."""
        self._arrivals = arrivals
        self._patience = patience
        self._since = 0.0

    def end(self) -> None:
        """Something was told."""
        self._since = 0.0

    def must_be_told(self) -> bool:
        """Whether to give a sign of life, where a piece has brought nothing else."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since < self._patience and not self._arrivals.must_be_told:
            return False
        self._since = 0.0
        return True
