"""One remote procedure call: the answers in turn, the status.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from app.triton.grpc_client.http2 import CREDIT_BYTES, Fields, Stream
from app.triton.grpc_client.request import MESSAGE_PREFIX
from app.triton.grpc_client.status import Status, status_of, status_of_reset

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 2**20


class CallEnded(Exception):
    """There are no more answers; `status` says why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


class Line(Protocol):
    """The connection that a call is on."""

    def credit(self, call: Call) -> None:
        """Tell the peer what was taken."""

    def cancel(self, call: Call) -> None:
        """End the call at once."""

    def suspect(self) -> None:
        """See whether the peer is still there."""

    def ended(self, call: Call) -> None:
        """Take note that the call is to be settled soon."""


class Call(Stream):
    """A call as its taker sees it. One thread (or greenlet) takes; any may cancel or discard.

    What waits to be taken is bounded by the stream's flow control window. `expires_at` is in
    seconds of the monotonic clock.
    """

    def __init__(self, line: Line, expires_at: float) -> None:
        super().__init__()
        self.expires_at = expires_at
        self._line = line
        # Messages, and how many of their bytes the peer still counts as on the way.
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._partial = bytearray()
        self._num_needed = self._num_credited = 0
        self._http_status = ""
        self._fields: dict[str, str] = {}
        self._status: Status | None = None
        self._failure: Status | None = None
        self._is_discarding = False
        # Held, and released to wake the taker while it waits.
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._is_awaited = self._is_woken = False
        self._until = 0.0
        self._ending = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._has_settled = False

    def num_waiting(self) -> int:
        """How many messages can be taken without waiting."""
        return len(self._waiting)

    def has_waiting(self) -> bool:
        """Whether `take` would return or raise at once."""
        return bool(self._waiting or self._failure or self._status)

    def take(self, until: float) -> bytes | None:
        """The next message; None when the monotonic clock says `until` first, or on `wake`.

        Raises:
            CallEnded: there are no more.
        """
        while not self._waiting:
            if self._is_woken:
                self._is_woken = False
                return None
            if self._failure:
                # The peer still sends, and nobody is going to take it.
                self._line.cancel(self)
                raise CallEnded(self._failure)
            if self._status:
                raise CallEnded(self._status)
            if time.monotonic() >= until:
                return None
            # First this, then a last look: whoever puts does it the other way round.
            self._until = until
            self._is_awaited = True
            if self._waiting or self._failure or self._status or self._is_woken:
                self._is_awaited = False
                continue
            # Without a limit of its own, which would cost a timer for each token.
            self._alarm.acquire()
            self._is_awaited = False
        message, owed = self._waiting.popleft()
        self._owe(owed)
        return message

    def look_at_clock(self, now: float) -> None:
        """Let a waiting `take` return if its time has come; the line calls this often."""
        if self._is_awaited and now >= self._until:
            self._ring()

    def wake(self) -> None:
        """Let a waiting `take` return, or else the next one that would wait."""
        self._is_woken = True
        self._ring()

    def cancel(self) -> None:
        """End the call; the peer is told."""
        self.discard()
        self._line.cancel(self)

    def discard(self) -> None:
        """Drop what waits and what still comes, so that the call goes on to its end."""
        self._is_discarding = True
        while self._waiting:
            with suppress(IndexError):
                self._owe(self._waiting.popleft()[1])

    def suspect(self) -> None:
        """The peer is late: see whether it is there at all."""
        self._line.suspect()

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the peer has done with this call, or at once if it has."""
        with self._ending:
            if not self._has_settled:
                self._callbacks.append(callback)
                return
        callback()

    def finish(self, status: Status) -> None:
        """The call has ended with this status, unless it had one already."""
        self._status = self._status or status
        self._ring()
        self._line.ended(self)

    def settle(self) -> None:
        """Call what `when_ended` was given, once; what holds no lock calls this."""
        with self._ending:
            self._has_settled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # whoever settles looks after other calls as well
                log.exception("telling of the end of a call failed")

    def on_fields(self, fields: Fields, *, is_last: bool) -> None:
        """Header or trailer fields."""
        self._fields = dict(fields)
        self._http_status = self._fields.get(":status", self._http_status)

    def on_end(self) -> None:
        """The answer has ended."""
        status = status_of(self._fields, self._http_status)
        if self._partial and status.code == "OK":
            status = Status("INTERNAL", "the answer ends within a message")
        self.finish(status)

    def on_reset(self, code: int) -> None:
        """The peer has given the call up."""
        self.finish(status_of_reset(code))

    def on_refused(self) -> None:
        """The peer is going away."""
        self.finish(Status("UNAVAILABLE", "the server is closing its connections", True))

    def on_data(self, data: bytes) -> int:
        """A part of the answers. Returns how many of its bytes are done with already."""
        if self._is_discarding or self._failure:
            return len(data) + self._drop()
        if not self._partial and len(data) >= 5:
            is_compressed, length = MESSAGE_PREFIX.unpack_from(data)
            if length == len(data) - 5 and not is_compressed:
                self._put(data[5:], len(data))
                return 0
        return self._assemble(data)

    def _assemble(self, data: bytes) -> int:
        if self._partial:
            self._partial += data
            if len(self._partial) < self._num_needed:
                return self._credit_early()
            data = bytes(self._partial)
            self._partial.clear()
        self._partial += data[self._split(data) :]
        return self._credit_early()

    def _credit_early(self) -> int:
        """What is done with of an unfinished message: it may be larger than any window.

        The rest is owed until it is taken, so that a taker who stalls is not sent many of those.
        """
        more = max(len(self._partial) - CREDIT_BYTES - self._num_credited, 0)
        self._num_credited += more
        return more

    def _drop(self) -> int:
        num_dropped, self._num_credited = len(self._partial) - self._num_credited, 0
        self._partial.clear()
        return num_dropped

    def _split(self, data: bytes) -> int:
        """Put the whole messages; where the first one begins that is not whole."""
        start, end, self._num_needed = 0, len(data), 5
        while end - start >= 5:
            is_compressed, length = MESSAGE_PREFIX.unpack_from(data, start)
            if is_compressed or length > MAX_MESSAGE_BYTES:
                self._fail(is_compressed, length)
                return end
            stop = start + 5 + length
            if stop > end:
                self._num_needed = stop - start
                break
            self._put(data[start + 5 : stop], stop - start - self._num_credited)
            self._num_credited = 0
            start = stop
        return start

    def _fail(self, is_compressed: bool, length: int) -> None:
        if is_compressed:
            self._failure = Status("INTERNAL", "a compressed message, which was not asked for")
        else:
            self._failure = Status("RESOURCE_EXHAUSTED", f"a message of {length} bytes")
        self._ring()

    def _put(self, message: bytes, owed: int) -> None:
        self._waiting.append((message, owed))
        if self._is_awaited:
            self._ring()

    def _ring(self) -> None:
        if self._is_awaited:
            self._is_awaited = False
            try:  # noqa: SIM105 - every token comes by here, and suppress() is three calls
                self._alarm.release()
            except RuntimeError:  # two at once have found it awaited
                pass

    def _owe(self, num_bytes: int) -> None:
        self.uncredited += num_bytes
        if self.uncredited >= CREDIT_BYTES:
            self._line.credit(self)
