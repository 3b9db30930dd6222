"""The header `X-Request-Timeout`: a client's own limit, which can only shorten the model's."""

from __future__ import annotations

import re
import time

from app.errors import InvalidRequest

TIMEOUT_HEADER = "X-Request-Timeout"
SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
MAX_SHOWN = 32


def requested_deadline(given: str | None) -> float | None:
    """When the answer must be complete, in seconds of the monotonic clock; None without a limit.

    `given` is the header's value, None if there is no such header.

    Raises:
        InvalidRequest: the header holds no number of seconds above 0.
    """
    if given is None:
        return None
    seconds = float(given) if SECONDS.fullmatch(given) else 0.0
    if seconds <= 0:
        raise InvalidRequest(
            f"the header {TIMEOUT_HEADER} must be a number of seconds above 0, but was"
            f" {given[:MAX_SHOWN]!r}",
            param=TIMEOUT_HEADER,
        )
    return time.monotonic() + seconds
