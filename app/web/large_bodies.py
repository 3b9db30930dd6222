"""The bytes of large bodies that this process holds, so that they do not take all of its memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import ServerOverloaded

# So much of each body is not counted: where large ones are refused, small ones are not.
FREE_BYTES = 64 * 1024


class LargeBodies:
    """Those whose requests are being answered, of at most `max_bytes` together."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._lock = threading.Lock()

    @contextmanager
    def room(self) -> Iterator[BodyRoom]:
        """That of one body, free again at the end."""
        room = BodyRoom(self)
        try:
            yield room
        finally:
            self.add(-room.num_counted)

    def add(self, num_bytes: int) -> None:
        """Count more bytes, or fewer. Raises ServerOverloaded where they have no room."""
        with self._lock:
            if num_bytes > 0 and self._num_bytes + num_bytes > self._max_bytes:
                raise ServerOverloaded("the server holds too many large requests; try again")
            self._num_bytes += num_bytes


class BodyRoom:
    """What a body takes as it comes."""

    def __init__(self, bodies: LargeBodies) -> None:
        self._bodies = bodies
        self._num_bytes = 0
        self.num_counted = 0

    def take(self, num_bytes: int) -> None:
        """So many more. Raises ServerOverloaded."""
        self._num_bytes += num_bytes
        more = max(self._num_bytes - FREE_BYTES, 0) - self.num_counted
        if more:
            self._bodies.add(more)
            self.num_counted += more
