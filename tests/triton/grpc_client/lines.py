"""A call's connection without a socket."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from app.triton.grpc_client import frames
from app.triton.grpc_client.call import Call, CallEnded
from app.triton.grpc_client.http2 import ClientProtocol
from app.triton.grpc_client.status import Status
from tests.triton.grpc_client.both_ends import HEADERS, REQUEST, greeting, headers_frame, said


class ProtocolLine:
    """It does with a call what a connection does, in the caller's own thread."""

    def __init__(self) -> None:
        self.protocol = ClientProtocol()
        self.num_suspected = 0
        self._ended: list[Call] = []

    def credit(self, call: Call) -> None:
        """Tell the peer what was taken."""
        self.protocol.credit(call)

    def cancel(self, call: Call) -> None:
        """End the call."""
        self.protocol.reset(call, frames.CANCEL)
        call.finish(Status("CANCELLED"))
        self.settle()

    def suspect(self) -> None:
        """Counted."""
        self.num_suspected += 1

    def ended(self, call: Call) -> None:
        """Kept for `settle`."""
        self._ended.append(call)

    def settle(self) -> None:
        """Tell the calls that have ended."""
        while self._ended:
            self._ended.pop().settle()

    @staticmethod
    def take_all(call: Call) -> list[bytes]:
        """The messages that wait; nothing is waited for."""
        took = []
        try:
            while (message := call.take(-math.inf)) is not None:
                took.append(message)
        except CallEnded:
            pass
        return took


def started(timeout: float = 10.0) -> tuple[ProtocolLine, Call]:
    """A call whose headers have come, as stream 1."""
    line = ProtocolLine()
    call = Call(line, time.monotonic() + timeout)
    line.protocol.receive(greeting())
    line.protocol.open(call, REQUEST, bytes(5))
    line.protocol.receive(headers_frame(1, HEADERS))
    said(line.protocol)
    return line, call


def framed_all(messages: Iterable[bytes]) -> bytes:
    """Messages as an answer's body."""
    return b"".join(len(each).to_bytes(5, "big") + each for each in messages)
