"""What one request takes of its key's limits, and gives back when it ends."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator

from app.access.keys import ApiKey
from app.access.windows import Allowance, Windows
from app.errors import RateLimitExceeded
from app.tally import Tally

REQUESTS, TOKENS = "requests", "tokens"
SECONDS_PER_MINUTE = 60


class Places:
    """The open requests of each key in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[bytes] = Counter()

    def take(self, digest: bytes, limit: int) -> bool:
        """Whether there was a place left, which is taken then."""
        with self._lock:
            if self._taken[digest] >= limit:
                return False
            self._taken[digest] += 1
            return True

    def free(self, digest: bytes) -> None:
        """Give a place back."""
        with self._lock:
            self._taken[digest] -= 1
            if self._taken[digest] <= 0:
                del self._taken[digest]


class Lease:
    """One request of a key: `begin`, and when its answer is closed `end`."""

    def __init__(self, key: ApiKey, places: Places, windows: Windows) -> None:
        self._key = key
        self._places = places
        self._windows = windows
        self._identity = key.digest.hex()
        self._has_place = False
        self._is_ended = False
        self._allowances: dict[str, Allowance] = {}

    def begin(self) -> None:
        """Take a place and one request, if there are tokens left too.

        Raises:
            RateLimitExceeded: which limit is reached, and when to try again.
        """
        tokens = self._look(TOKENS, self._key.limits.tokens_per_minute)
        self._look(REQUESTS, self._key.limits.requests_per_minute)
        self._take_place()
        if tokens is not None and tokens.left < 1:
            raise _used_up(TOKENS, tokens)
        self._take_request()

    def headers(self, tally: Tally) -> Iterator[tuple[str, str]]:
        """OpenAI's headers, where the key has a limit; tokens less what `tally` has already."""
        for kind, allowance in self._allowances.items():
            used = tally.prompt_tokens + tally.completion_tokens if kind == TOKENS else 0
            yield f"x-ratelimit-limit-{kind}", str(allowance.limit)
            yield f"x-ratelimit-remaining-{kind}", str(max(0, allowance.left - used))
            yield f"x-ratelimit-reset-{kind}", duration(allowance.reset)

    def end(self, tally: Tally) -> None:
        """Give the place back and pay the tokens; a second time is nothing."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._has_place:
            self._places.free(self._key.digest)
        used, limit = tally.prompt_tokens + tally.completion_tokens, self._key.limits
        if limit.tokens_per_minute is not None and used > 0:
            self._windows.take(TOKENS, self._identity, limit.tokens_per_minute, used)

    def _look(self, kind: str, limit: int | None) -> Allowance | None:
        if limit is None:
            return None
        self._allowances[kind] = self._windows.look(kind, self._identity, limit)
        return self._allowances[kind]

    def _take_place(self) -> None:
        limit = self._key.limits.concurrent_requests
        if limit is None:
            return
        self._has_place = self._places.take(self._key.digest, limit)
        if not self._has_place:
            raise RateLimitExceeded(
                f"this API key has reached its limit of {limit} requests at once; try again when"
                " one of them has ended"
            )

    def _take_request(self) -> None:
        limit = self._key.limits.requests_per_minute
        if limit is None:
            return
        is_within, allowance = self._windows.take(REQUESTS, self._identity, limit)
        self._allowances[REQUESTS] = allowance
        if not is_within:
            raise _used_up(REQUESTS, allowance)


def _used_up(kind: str, allowance: Allowance) -> RateLimitExceeded:
    seconds = max(1, math.ceil(allowance.reset))
    error = RateLimitExceeded(
        f"this API key has reached its limit of {allowance.limit} {kind} per minute; try again in"
        f" {seconds} seconds"
    )
    error.retry_after = seconds
    return error


def duration(seconds: float) -> str:
    """Seconds as OpenAI writes them, rounded up: `0s`, `59s`, `1m0s`."""
    minutes, rest = divmod(math.ceil(seconds), SECONDS_PER_MINUTE)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
