"""Requests whose tokens come by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Sequence

from app.observability import request_metrics
from app.observability.metrics import Answered
from app.tally import Tally, TokenTimes

STARTED = 100.0


class Choice:
    """One choice that is given its tokens."""

    def __init__(self, finish_reason: str | None = None) -> None:
        self.times = TokenTimes()
        self.num_tokens = 0
        self.finish_reason = finish_reason

    def came(self, at: float, num_tokens: int = 1) -> None:
        """More tokens, so many seconds after STARTED."""
        self.num_tokens += num_tokens
        self.times.note(self.num_tokens, lambda: STARTED + at)


def begun(model: str, prompt_tokens: int, choices: Sequence[Choice]) -> Tally:
    """A request that asked for its place after 0.1 seconds, and had it after 0.2."""
    tally = Tally(prompt_tokens, list(choices), STARTED + 0.1, STARTED + 0.2)
    request_metrics.begin(model, tally)
    return tally


def finished(route: str, model: str, status: int) -> Answered:
    """A request with one choice of three tokens that took two seconds."""
    choice = Choice("stop" if status == 200 else None)
    tally = begun(model, 4, [choice])
    for at in (0.5, 0.6, 0.9):
        choice.came(at)
    return Answered(route, model, status, STARTED, STARTED + 2.0, tally)
