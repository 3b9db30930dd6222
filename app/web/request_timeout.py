"""The header `X-Request-Timeout`: a client's own limit, which can only shorten the model's."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from app.errors import InvalidRequest

NAME = "X-Request-Timeout"
SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
MAX_SHOWN = 32


def requested_deadline(headers: Mapping[str, str]) -> float | None:
    """When the answer must be complete, in seconds of the monotonic clock; None without a limit.

    Raises:
        InvalidRequest: the header holds no number of seconds above 0.
    """
    given = headers.get(NAME)
    if given is None:
        return None
    seconds = float(given) if SECONDS.fullmatch(given) else 0.0
    if seconds <= 0:
        raise InvalidRequest(
            f"the header {NAME} must be a number of seconds above 0, but was {given[:MAX_SHOWN]!r}",
            param=NAME,
        )
    return time.monotonic() + seconds
