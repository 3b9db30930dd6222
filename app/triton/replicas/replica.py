"""One Triton of a model, and one call to it."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from app.errors import ApiError, ClientDisconnected
from app.triton.address import Address
from app.triton.errors import DeadlinePassed, is_backend_failure, is_definite_failure
from app.triton.replicas.breaker import Breaker, Entry

C = TypeVar("C")


class Replica(Generic[C]):
    """A Triton as one model sees it. `num_outstanding` calls are under way."""

    def __init__(self, address: Address, connection: C) -> None:
        self.address = address
        self.connection = connection
        self.breaker = Breaker()
        self._lock = threading.Lock()
        self.num_outstanding = 0
        # Whether the log says that it is left alone.
        self.is_told = False

    def lease(self) -> Lease[C] | None:
        """A call to it, None if it is to be left alone."""
        entry = self.breaker.begin()
        if entry is None:
            return None
        self._add(1)
        return Lease(self, entry)

    def give_back(self) -> None:
        """A call is over."""
        self._add(-1)

    def _add(self, change: int) -> None:
        with self._lock:
            self.num_outstanding += change


class Lease(Generic[C]):
    """A call to one Triton, until `close`; what became of it is told once, by any of the others."""

    def __init__(self, replica: Replica[C], entry: Entry) -> None:
        self.replica = replica
        self._entry = entry
        self.connection = replica.connection
        self.has_answered = False
        self._is_judged = False
        self._is_closed = False

    def answered(self) -> None:
        """The first answer has come."""
        self.has_answered = True
        self.replica.breaker.answered(self._entry)

    def succeeded(self) -> None:
        """It has ended well."""
        if not self._is_judged:
            self._is_judged = True
            self.replica.breaker.succeeded(self._entry)

    def failed(self, error: ApiError) -> None:
        """It has ended with this error, which need not be Triton's fault."""
        if self._is_judged:
            return
        self._is_judged = True
        if is_backend_failure(error):
            self.replica.breaker.failed(self._entry, error, is_definite=is_definite_failure(error))
        elif isinstance(error, (ClientDisconnected, DeadlinePassed)) and not self.has_answered:
            self.replica.breaker.abandoned(self._entry)
        else:
            # It answered, if only to refuse.
            self.replica.breaker.succeeded(self._entry)

    def abandoned(self) -> None:
        """Nobody waits for it any more, whatever comes of it."""
        if not self._is_judged:
            self._is_judged = True
            self.replica.breaker.abandoned(self._entry)

    def close(self) -> None:
        """Triton has done with the call. Closing it again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self.abandoned()
        self.replica.give_back()
