"""Taking all that a call has to say."""

from __future__ import annotations

import time

from app.triton.grpc_client.call import Call, CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status

PATIENCE = 20.0


def start(channel: Channel, path: str, request: bytes = b"", timeout: float = PATIENCE) -> Call:
    """A call with time enough to connect."""
    return channel.start(path, request, timeout, PATIENCE)


def next_of(call: Call) -> bytes:
    """The next message; there must be one soon."""
    message = call.take(time.monotonic() + PATIENCE)
    assert message is not None, "no answer"
    return message


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
