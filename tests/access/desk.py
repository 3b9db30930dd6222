"""Leases of keys, for the tests of what a key may use."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from app.access.keys import ApiKey, Limits
from app.access.leases import Lease, Places
from app.access.windows import Windows
from app.errors import RateLimitExceeded
from app.tally import Tally


class Desk:
    """Gives leases of keys that have the same places and windows."""

    def __init__(self, windows: Windows | None = None) -> None:
        self.places = Places()
        self.windows = windows or Windows()

    def begin(self, digest: bytes = b"a" * 32, **limits: int) -> Lease:
        lease = Lease(ApiKey(digest, "name", Limits(**limits)), self.places, self.windows)
        try:
            lease.begin()
        except RateLimitExceeded:
            # As at the end of a request that was refused.
            lease.end(Tally())
            raise
        return lease


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged here, and not by a thread of another test."""
    return [record for record in caplog.records if record.name.startswith("app.access")]


def refusal(begin: Callable[[], object]) -> RateLimitExceeded:
    with pytest.raises(RateLimitExceeded) as caught:
        begin()
    return caught.value
