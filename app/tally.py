"""What a request has used so far, and when."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

# Upper edges of the times between tokens that are told apart, in seconds.
GAP_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0),
)


class TokenTimes:
    """When one choice's tokens came, in seconds of the monotonic clock, 0 before the first.

    `num_gaps` counts the times between them by GAP_SECONDS, longer ones last. Tokens that come
    together share the time since those before them. What comes with the first has no such time.
    """

    __slots__ = ("first_at", "last_at", "num_gaps", "num_tokens")

    def __init__(self) -> None:
        self.first_at = 0.0
        self.last_at = 0.0
        self.num_tokens = 0
        self.num_gaps = [0] * (len(GAP_SECONDS) + 1)

    def note(self, num_tokens: int, clock: Callable[[], float] = monotonic) -> None:
        """There are so many tokens now."""
        num_new = num_tokens - self.num_tokens
        if num_new <= 0:
            return
        now = clock()
        if self.num_tokens:
            gap = (now - self.last_at) / num_new
            self.num_gaps[bisect_left(GAP_SECONDS, gap)] += num_new
        else:
            self.first_at = now
        self.last_at = now
        self.num_tokens = num_tokens


class Counting(Protocol):
    """One choice, which knows how many tokens it has, when they came, and why it ended."""

    @property
    def num_tokens(self) -> int: ...

    @property
    def times(self) -> TokenTimes: ...

    @property
    def finish_reason(self) -> str | None: ...


@dataclass(slots=True, weakref_slot=True, eq=False)
class Tally:
    """Tokens of one request, of all its prompts and choices, at any time of its life.

    `prompt_tokens` are counted once the request has its place, `choices` once they begin.
    It asked for the place at `asked_at` and got it at `placed_at`, in seconds of the monotonic
    clock, None before.
    """

    prompt_tokens: int = 0
    choices: list[Counting] = field(default_factory=list)
    asked_at: float | None = None
    placed_at: float | None = None

    @property
    def completion_tokens(self) -> int:
        """Those of all choices so far, whoever will read them."""
        return sum(choice.num_tokens for choice in self.choices)

    @property
    def first_token_at(self) -> float | None:
        """When the first of all tokens came, in seconds of the monotonic clock."""
        begun = [choice.times.first_at for choice in self.choices if choice.times.num_tokens]
        return min(begun, default=None)

    @property
    def last_token_at(self) -> float | None:
        """When the last of the tokens so far came."""
        begun = [choice.times.last_at for choice in self.choices if choice.times.num_tokens]
        return max(begun, default=None)
