"""What a request has used so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Counting(Protocol):
    """One choice, which knows how many tokens it has."""

    @property
    def num_tokens(self) -> int: ...


@dataclass(slots=True)
class Tally:
    """Tokens of one request, of all its prompts and choices, at any time of its life.

    `prompt_tokens` are counted once the request has its place, `choices` once they begin.
    `first_token_at` is in seconds of the monotonic clock, None before the first one.
    """

    prompt_tokens: int = 0
    choices: list[Counting] = field(default_factory=list)
    first_token_at: float | None = None

    @property
    def completion_tokens(self) -> int:
        """Those of all choices so far, whoever will read them."""
        return sum(choice.num_tokens for choice in self.choices)
