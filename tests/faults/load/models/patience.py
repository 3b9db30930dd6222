"""What the models of load do otherwise than the bench's, so that Triton bears hundreds of streams.

They look at a request less often: `speech.py` does so twenty times a second, whether it is
cancelled, and five hundred streams are then more than a processor's work. And a cancelled request
is answered later: Triton 2.51.0 takes a moment to note two hundred cancellations, and ends with
std::system_error if an answer comes first.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.bench.models import speech

LOOK_SECONDS = 0.5
CANCELLED_SECONDS = 1.0


class Patience(speech.Speech):
    """A request that waits before it answers that it is cancelled."""

    def _close(self, counter: str, last: Callable[[], None]) -> None:
        super()._close(counter, last)
        if counter == "cancelled":
            self._quiet_at += CANCELLED_SECONDS


# The programs are in processes of their own.
speech.POLL_SECONDS = LOOK_SECONDS
