"""What a request has used so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Tokens of one request, of all its prompts and choices; who counts them writes them here.

    `first_token_at` is in seconds of the monotonic clock, None before the first one.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_at: float | None = None
