"""Hundreds of clients in one thread, each on a connection of its own.

    crowd = run(server, [Visit(post(body)) for body in bodies])
    crowd.outcomes, crowd.gaps, crowd.probes

While they are there, `/livez` is asked ten times a second. What came is only kept, with its time;
it is read when all have ended, so that the clients do not slow each other down.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import itertools
import json
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from tests.faults.bench.client import COMPLETIONS, Body, Outcome
from tests.live.http import Server

PROBE_SECONDS = 0.1
WATCH_SECONDS = 0.2
HANGING = "has not ended"
LEFT = "went away"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
# SO_LINGER with no time: closing sends RST.
LINGER_NOT = struct.pack("ii", 1, 0)
# So small segments, and so small a buffer, that a server's own buffer does not grow either.
SMALL_SEGMENT = 536
SMALL_BUFFER = 4096


Watch = Callable[[], bool]


@dataclass(frozen=True)
class Visit:
    """What one client does.

    - request: what it sends, at once
    - start: not before so many seconds after the crowd's beginning
    - drip: what it then sends, a byte each second
    - stay: after so many seconds it goes away; without it the server ends the connection
    - leave_by: "fin" or "rst"
    - pause: seconds before the next visit of its client if the answer was not 200
    - is_reading: False for one that leaves everything in small buffers
    """

    request: bytes
    start: float = 0.0
    drip: bytes = b""
    stay: float | None = None
    leave_by: str = "fin"
    pause: float = 0.0
    is_reading: bool = True


@dataclass
class Crowd:
    """What became of it. Seconds: `gaps` from one event of a stream to the next, `probes` until
    /livez answers."""

    outcomes: list[Outcome] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)

    @property
    def first_waits(self) -> list[float]:
        """Seconds to the first event of each stream that had one."""
        return [o.first_at - o.started_at for o in self.outcomes if o.first_at is not None]


def post(body: Body, path: str = COMPLETIONS) -> bytes:
    """A whole request, the last of its connection."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def run(
    server: Server,
    visits: Iterable[Visit],
    *,
    num_clients: int | None = None,
    seconds: float = 120.0,
    watch: Watch = lambda: False,
) -> Crowd:
    """Returns when all have ended; those that have not after `seconds` count as cut.

    Without `num_clients` each visit has a client of its own; with it so many make one visit after
    the other. `watch` is called several times a second, and ends it all when it is true.
    """
    if num_clients is None:
        visits = list(visits)
        num_clients = len(visits)
    return asyncio.run(_run(server, iter(visits), num_clients, seconds, watch))


async def _run(
    server: Server, visits: Iterator[Visit], num_clients: int, seconds: float, watch: Watch
) -> Crowd:
    crowd, begun_at = Crowd(), time.monotonic()
    visitors: list[_Visitor] = []
    probing = asyncio.create_task(_probe(server, crowd.probes))
    tasks = [
        asyncio.create_task(_client(server, visits, begun_at, visitors)) for _ in range(num_clients)
    ]
    while any(not task.done() for task in tasks) and time.monotonic() - begun_at < seconds:
        if watch():
            break
        await asyncio.wait(tasks, timeout=WATCH_SECONDS)
    for task in (*tasks, probing):
        task.cancel()
    for done in await asyncio.gather(*tasks, probing, return_exceptions=True):
        if isinstance(done, Exception):
            raise done
    for visitor in visitors:
        crowd.outcomes.append(visitor.outcome())
        crowd.gaps += visitor.gaps()
    return crowd


async def _client(
    server: Server, visits: Iterator[Visit], begun_at: float, visitors: list[_Visitor]
) -> None:
    for visit in visits:
        visitor = _Visitor()
        visitors.append(visitor)
        await asyncio.sleep(begun_at + visit.start - time.monotonic())
        await _visit(server, visit, visitor)
        if not visitor.is_welcome:
            await asyncio.sleep(visit.pause)


async def _probe(server: Server, probes: list[float]) -> None:
    while True:
        visitor = _Visitor()
        await _visit(server, Visit(LIVEZ), visitor)
        assert visitor.failure is None, f"/livez: {visitor.failure}"
        assert b" 200 " in visitor.blocks[0][1][:20], visitor.blocks
        probes.append(visitor.ended_at - visitor.started_at)
        await asyncio.sleep(PROBE_SECONDS)


class _Visitor(asyncio.Protocol):
    """One connection. Times are `time.monotonic()`."""

    def __init__(self) -> None:
        self.blocks: list[tuple[float, bytes]] = []
        self.started_at = self.ended_at = 0.0
        self.failure: str | None = HANGING
        self.is_left = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.blocks.append((time.monotonic(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_at = time.monotonic()
        self.failure = repr(exc) if exc else None
        if not self.ended.done():
            self.ended.set_result(None)

    @property
    def is_welcome(self) -> bool:
        """Whether the answer began with 200."""
        return bool(self.blocks) and self.blocks[0][1].startswith(b"HTTP/1.1 200")

    def gaps(self) -> list[float]:
        """Seconds from one event to the next, where they came apart."""
        times = [at for at, block in self.blocks if b'"text":"' in block]
        return [late - early for early, late in itertools.pairwise(times)]

    def outcome(self) -> Outcome:
        """What the bytes say."""
        outcome = Outcome(failure=self.failure, started_at=self.started_at, ended_at=self.ended_at)
        if self.is_left:
            outcome.failure = LEFT
        if outcome.failure or not self.blocks:
            outcome.failure = outcome.failure or "no answer"
            return outcome
        try:
            self._read(outcome)
        except (http.client.HTTPException, ValueError) as error:
            outcome.failure = f"{type(error).__name__}: {error}"
        return outcome

    def _read(self, outcome: Outcome) -> None:
        response = http.client.HTTPResponse(cast(Any, _Bytes(b"".join(b for _, b in self.blocks))))
        response.begin()
        outcome.status = response.status
        outcome.headers = {key.lower(): value for key, value in response.getheaders()}
        outcome.body = response.read()
        outcome.is_stream = "text/event-stream" in outcome.headers.get("content-type", "")
        times = [at for at, block in self.blocks if b'"text":"' in block]
        if times:
            outcome.first_at, outcome.last_at = times[0], times[-1]
        for content in _contents(outcome):
            _note(outcome, content)


class _Bytes:
    """What http.client takes for a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _contents(outcome: Outcome) -> list[Any]:
    if not outcome.is_stream:
        return [json.loads(outcome.body)]
    lines = outcome.body.decode().split("\n")
    outcome.num_comments = sum(line.startswith(":") for line in lines)
    events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    outcome.is_done = events[-1:] == ["[DONE]"]
    return [json.loads(event) for event in events if event != "[DONE]"]


def _note(outcome: Outcome, content: Any) -> None:
    outcome.error = content.get("error", outcome.error)
    for choice in content.get("choices", ()):
        outcome.finish_reason = choice["finish_reason"] or outcome.finish_reason
        outcome.num_words += bool(choice["text"])
        outcome.text += choice["text"]


async def _visit(server: Server, visit: Visit, visitor: _Visitor) -> None:
    visitor.started_at = visitor.ended_at = time.monotonic()
    try:
        transport = await _connected(server, visit, visitor)
    except OSError as error:
        visitor.failure = repr(error)
        return
    dripping = asyncio.create_task(_drip(transport, visit.drip))
    try:
        transport.write(visit.request)
        await asyncio.wait_for(asyncio.shield(visitor.ended), visit.stay)
    except TimeoutError:
        visitor.is_left = True
    finally:
        dripping.cancel()
        _leave(transport, visit.leave_by)


async def _drip(transport: asyncio.Transport, content: bytes) -> None:
    for byte in content:
        await asyncio.sleep(1.0)
        transport.write(bytes([byte]))


async def _connected(server: Server, visit: Visit, visitor: _Visitor) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not visit.is_reading:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    try:
        await loop.sock_connect(sock, (server.host, server.port))
    except OSError:
        sock.close()
        raise
    transport, _ = await loop.create_connection(lambda: visitor, sock=sock)
    if not visit.is_reading:
        transport.pause_reading()
    return transport


def _leave(transport: asyncio.Transport, how: str) -> None:
    if how == "rst":
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        transport.abort()
    else:
        transport.close()
