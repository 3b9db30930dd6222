"""Taking all that a call has to say."""

from __future__ import annotations

import time

from app.triton.grpc_client.call import Call, CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status

# Far longer than `LATE`: what waits for it is not merely late.
PATIENCE = 60.0


def start(channel: Channel, path: str, request: bytes = b"", timeout: float = PATIENCE) -> Call:
    """A call with time enough to connect."""
    return channel.start(path, request, timeout, PATIENCE)


def next_of(call: Call) -> bytes:
    """The next message; there must be one soon."""
    message = call.take(time.monotonic() + PATIENCE)
    assert message is not None, "no answer"
    return message


def waiting(channel: Channel, path: str, seconds: float) -> Call:
    """A call of so many seconds whose first message has come."""
    while True:
        call = start(channel, path, timeout=seconds)
        try:
            next_of(call)
        except CallEnded as ended:
            # A busy machine may be so late that its time is over.
            if ended.status.code != "DEADLINE_EXCEEDED":
                raise
            seconds *= 4
        else:
            return call


def to_the_end(call: Call) -> tuple[list[bytes], Status]:
    """All the messages, and how it ended."""
    took = []
    try:
        while True:
            took.append(next_of(call))
    except CallEnded as ended:
        return took, ended.status


def end_of(call: Call) -> Status:
    """How it ended; messages before that are dropped."""
    return to_the_end(call)[1]
