"""One request's answers on a gRPC stream of its own, with deadlines and a way out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from app.errors import ApiError, ClientDisconnected
from app.registry import Timeouts
from app.triton.errors import classify, silent, timed_out
from app.triton.grpc_client.call import CallEnded
from app.triton.model_response import ModelResponse, ResponseReader


class EndOfStream(Exception):
    """Triton has answered everything."""


class RawCall(Protocol):
    """A call whose answers are bytes. One thread or greenlet takes, any may do the rest."""

    def has_waiting(self) -> bool:
        """Whether `take` would return or raise at once."""

    def num_waiting(self) -> int:
        """How many messages can be taken without waiting."""

    def take(self, until: float) -> bytes | None:
        """The next message; None when the monotonic clock says `until`, or on `wake`.

        Raises:
            CallEnded: there are no more.
        """

    def wake(self) -> None:
        """Let a waiting `take` return."""

    def cancel(self) -> None:
        """End the call; the server is told."""

    def discard(self) -> None:
        """Drop what waits and what still comes; the call goes on to its end."""

    def suspect(self) -> None:
        """The server is late: see whether it is there at all."""

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the server has done with this call, or at once if it has."""


class ModelStream:
    """Answers as they come, each within its deadline; all by `deadline` of the monotonic clock.

    A stream that `has_failed` by the model's own word is about to end by itself. Of one that
    `is_cumulative`, where each answer holds all that those before it held, only the last of those
    that have come is read.
    """

    def __init__(
        self,
        call: RawCall,
        timeouts: Timeouts,
        *,
        deadline: float | None = None,
        is_cumulative: bool = False,
    ) -> None:
        self._call = call
        self._timeouts = timeouts
        self._reader = ResponseReader()
        self._is_cumulative = is_cumulative
        # What was taken and is still to be read.
        self._ahead: bytes | None = None
        self._is_interrupted = False
        self._last = time.monotonic()
        self._end = self._last + timeouts.total
        if deadline is not None:
            self._end = min(self._end, deadline)
        # When the next answer must have come.
        self._limit = min(self._last + timeouts.first_token, self._end)
        self._has_answered = False
        self.has_failed = False
        self.when_ended = call.when_ended

    def has_waiting(self) -> bool:
        """Whether `next` would not have to wait."""
        return self._ahead is not None or self._call.has_waiting()

    def next(self, patience: float) -> ModelResponse | None:
        """The next answer, or None after `patience` seconds without one.

        Raises:
            EndOfStream: there are no more.
            BackendTimeout: a deadline has passed; the call goes on until it is left.
            ClientDisconnected: `interrupt` was called.
            ApiError: what Triton's message or status means.
        """
        raw, self._ahead = self._ahead, None
        if raw is None:
            try:
                raw = self._call.take(min(time.monotonic() + patience, self._limit))
            except CallEnded as ended:
                raise self._meaning(ended) from None
        if self._is_interrupted:
            raise ClientDisconnected("the client went away")
        if raw is not None:
            return self._read(raw)
        if time.monotonic() >= self._limit:
            self._call.suspect()
            raise self._missed_deadline()
        return None

    def cancel(self) -> None:
        """End the call; a model that looks for it stops generating."""
        self._call.cancel()

    def drain(self) -> None:
        """Read to the end in the background, for a model that cannot be interrupted."""
        self._call.discard()

    def interrupt(self) -> None:
        """Wake the reader of this stream with ClientDisconnected. The call goes on."""
        self._is_interrupted = True
        self._call.wake()

    def _read(self, raw: bytes) -> ModelResponse:
        self._last = time.monotonic()
        self._limit = min(self._last + self._timeouts.between_tokens, self._end)
        self._has_answered = True
        if self._is_cumulative and self._call.num_waiting():
            raw = self._latest(raw)
        error, response = self._reader.read(raw)
        if error:
            self.has_failed = True
            raise classify(None, error)
        return response

    def _latest(self, raw: bytes) -> bytes:
        while self._call.num_waiting():
            following = self._call.take(self._last)
            if following is None or not self._reader.are_alike(raw, following):
                self._ahead = following
                break
            raw = following
        return raw

    def _meaning(self, ended: CallEnded) -> Exception:
        if self._is_interrupted:
            return ClientDisconnected("the client went away")
        return status_error(ended) or EndOfStream()

    def _missed_deadline(self) -> ApiError:
        if self._limit == self._end:
            return timed_out("not complete within its time")
        if self._has_answered:
            return silent(f"no further token for {self._timeouts.between_tokens} s")
        return silent(f"no first token for {self._timeouts.first_token} s")


def status_error(ended: CallEnded) -> ApiError | None:
    """What the end of a call means, None where it is a good one."""
    if ended.status.code == "OK":
        return None
    error = classify(ended.status.code, ended.status.text)
    error.has_not_begun = error.has_not_begun or ended.status.is_unprocessed
    return error
