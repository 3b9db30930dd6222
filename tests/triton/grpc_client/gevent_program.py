"""Run by `gevent.monkey` with a server's address: the client where threads are greenlets."""

from __future__ import annotations

import sys
import time

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.pool import Pool

from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status
from tests.live.waiting import LATE
from tests.triton.grpc_client.taking import PATIENCE, end_of, start, to_the_end, waiting

ECHO, STREAM, WAIT = "/test/Echo", "/test/Stream", "/test/Wait"


def streams(channel: Channel) -> None:
    """As many as there may be, at once."""
    request = b'{"count": 20, "size": 400, "seconds": 0.02}'
    wanted = [number.to_bytes(4, "big") * 100 for number in range(20)]
    results = Pool(256).map(lambda _: to_the_end(start(channel, STREAM, request)), range(256))
    assert results == [(wanted, Status("OK"))] * 256


def large(channel: Channel) -> None:
    """Larger than every window, both ways."""
    question = bytes(5_000_000)
    assert Pool(4).map(lambda _: channel.ask(ECHO, question, PATIENCE), range(4)) == [question] * 4


def ends(channel: Channel) -> None:
    """Cancelled, woken and late calls."""
    calls = [waiting(channel, WAIT, seconds) for seconds in (PATIENCE, PATIENCE, 1.0)]
    gevent.spawn_later(0.1, calls[0].cancel)
    gevent.spawn_later(0.1, calls[1].wake)
    begun = time.monotonic()
    assert end_of(calls[0]).code == "CANCELLED"
    assert calls[1].take(begun + PATIENCE) is None
    told = Event()
    calls[2].when_ended(told.set)
    assert end_of(calls[2]).code == "DEADLINE_EXCEEDED"
    assert time.monotonic() < max(begun, calls[2].expires_at) + LATE
    assert told.wait(PATIENCE)


def hub_is_free(channel: Channel) -> None:
    """Waiting calls stop no greenlet."""
    calls = [start(channel, WAIT) for _ in range(50)]
    waiters = [gevent.spawn(to_the_end, call) for call in calls]
    late = 0.0
    for _ in range(20):
        begun = time.monotonic()
        gevent.sleep(0.01)
        late = max(late, time.monotonic() - begun - 0.01)
    assert late < LATE, late
    for call in calls:
        call.cancel()
    gevent.joinall(waiters, timeout=PATIENCE, raise_error=True)
    assert all(waiter.ready() for waiter in waiters)


def main() -> None:
    channel = Channel(sys.argv[1], is_secure=False)
    for check in (streams, large, ends, hub_is_free):
        check(channel)
    channel.close()
    assert monkey.is_module_patched("threading")
    print("well")


if __name__ == "__main__":
    main()
