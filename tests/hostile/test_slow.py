"""Clients that send or read too slowly are cut, and what they wait for is called off."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.applications import EMBEDDING, standard_configuration, write_configuration
from tests.backends.language_models import VLLM_INPUTS, VLLM_OUTPUTS, serve
from tests.backends.vllm_jobs import piece
from tests.hostile.conftest import BODY_TIMEOUT, TORRENT
from tests.hostile.requests import BODY, request, sized
from tests.hostile.wire import TIMEOUT, Wire, wire
from tests.live.http import Server
from tests.live.servers import running
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

# gunicorn's `keepalive`, in seconds; a busy machine is late.
HEAD_TIMEOUT = 5.0
LATE = 5.0
NUM_SLOW = 60
# With --whole; the scripted Triton serves 32 streams at once.
NUM_SLOW_WHOLE = 500
NUM_STALLED, NUM_STALLED_WHOLE = 10, 30
NUM_CONNECTIONS = 20
MIB = 2**20
# 8 MB of JSON, of which the sockets keep 4 at most.
NUM_TEXTS, NUM_DIMS = 64, 10_000
BYTES_PER_SECOND = MIB


def trickle(connection: Wire, data: bytes, *, each: float) -> float:
    """Send a byte at a time until the server answers or closes; gives the seconds that it took."""
    start = time.monotonic()
    connection.socket.settimeout(each)
    for index in range(len(data)):
        connection.send(data[index : index + 1])
        try:
            connection.socket.recv(1, 2)  # MSG_PEEK
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        return time.monotonic() - start
    raise AssertionError("the server took it all")


# What is sent at once, and what then comes a byte at a time.
REST = b"GET /health HTTP/1.1\r\nx-a: " + b"a" * 100
FIRST = request(method="GET", target="/health")
HEADS = {
    "from the beginning": (b"", REST),
    "in the first line": (request()[:20], REST),
    "in the fields": (request("x-a: b")[:-2], REST),
    "in the second request": (FIRST + b"GET", REST),
    "nothing after a request": (FIRST, b""),
    "nothing at all": (b"", b""),
}


def test_heads_that_do_not_come_are_cut_in_silence(server: Server) -> None:
    def seconds(head: tuple[bytes, bytes]) -> float:
        start, rest = head
        with wire(server) as connection:
            connection.send(start)
            if start.startswith(FIRST):
                assert getattr(connection.response(), "status", None) == 200
            begun = time.monotonic()
            if rest:
                trickle(connection, rest, each=0.5)
            assert connection.is_closed()
            return time.monotonic() - begun

    with ThreadPoolExecutor() as pool:
        for name, took in zip(HEADS, pool.map(seconds, HEADS.values()), strict=True):
            assert HEAD_TIMEOUT - 1 < took < HEAD_TIMEOUT + LATE, name


BODIES = {
    "a length": sized(len(BODY) + 1000, BODY),
    "chunks": request("Transfer-Encoding: chunked", body=b"400\r\n"),
}


def test_bodies_that_do_not_come_are_408(server: Server) -> None:
    def exchanged(case: tuple[str, float]) -> None:
        kind, each = case
        with wire(server) as connection:
            connection.send(BODIES[kind])
            seconds = trickle(connection, b"x" * 300, each=each)
            assert BODY_TIMEOUT - 0.5 < seconds < BODY_TIMEOUT + LATE
            response = connection.response()
            assert response is not None
            assert response.status == 408
            assert response.error()["code"] == "request_timeout"
            connection.socket.settimeout(TIMEOUT)
            assert connection.is_closed()

    # A byte each tenth of a second, and none at all.
    with ThreadPoolExecutor() as pool:
        list(pool.map(exchanged, product(BODIES, (0.1, 60.0))))


def test_slow_clients_are_cut_and_the_others_served(
    server: Server, pytestconfig: pytest.Config
) -> None:
    count = NUM_SLOW_WHOLE if pytestconfig.getoption("whole") else NUM_SLOW
    starts = [b"GET /health HT", BODIES["a length"]] * (count // 2)
    connections = [Wire(server) for _ in starts]
    begun = time.monotonic()
    for connection, start in zip(connections, starts, strict=True):
        connection.send(start)
    slowest, is_open = 0.0, set(connections)
    while is_open:
        asked = time.monotonic()
        assert server.get("/health").status == 200
        slowest = max(slowest, time.monotonic() - asked)
        assert time.monotonic() - begun < HEAD_TIMEOUT + 2 * LATE
        for connection in is_open:
            connection.send(b"x")
        is_open = {each for each in is_open if not _has_ended(each)}
        time.sleep(0.2)
    assert slowest < 1.0


def _has_ended(connection: Wire) -> bool:
    connection.socket.settimeout(0.0)
    try:
        return connection.socket.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_refused_bodies_do_not_keep_the_connections(
    triton: ScriptedTriton, http_triton: ScriptedHttpTriton, tmp_path: Path
) -> None:
    """Ten times as many as there are, each of which would be kept for 2 seconds."""
    path = write_configuration(
        tmp_path, standard_configuration(triton.address, http_triton.address)
    )
    limits = {"MAX_BODY_BYTES": "1000", "WORKER_CONNECTIONS": str(NUM_CONNECTIONS)}
    with running("gunicorn", path, tmp_path / "log", **limits) as server, ExitStack() as stack:
        for _ in range(10 * NUM_CONNECTIONS):
            connection = stack.enter_context(closing(Wire(server).socket))
            connection.sendall(sized(10**6, BODY))
        begun = time.monotonic()
        assert server.get("/livez").status == 200
        assert time.monotonic() - begun < LATE


def torrent(_: Any, context: Any) -> Iterator[Any]:
    """More than any buffer on the way holds."""
    # Six times as long as JSON: the server keeps the text of an answer for as long as it takes.
    text = "\x01" * 1365
    while context.is_active():
        yield piece(text)


def open_torrent(server: Server) -> Wire:
    """A stream that is not read beyond its first bytes."""
    body = {"model": TORRENT, "prompt": "a", "max_tokens": 50_000, "stream": True}
    raw = json.dumps(body).encode()
    connection = Wire(server, receive_buffer=4096)
    connection.send(sized(len(raw), raw))
    assert connection.socket.recv(12) == b"HTTP/1.1 200"
    return connection


def memory(server: Server) -> int:
    """The resident bytes of the only worker."""
    (worker,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_readers_that_stall_are_cut_and_cost_little(
    server: Server, triton: ScriptedTriton, pytestconfig: pytest.Config
) -> None:
    serve(triton, VLLM_INPUTS, VLLM_OUTPUTS, max_batch_size=0)
    triton.script = torrent
    open_torrent(server).socket.close()
    wait_until(lambda: not triton.open_calls, "the end of the first", 30)
    before, log_before = memory(server), len(server.log_text())
    count = NUM_STALLED_WHOLE if pytestconfig.getoption("whole") else NUM_STALLED
    readers = [open_torrent(server) for _ in range(count)]
    most = 0
    until = time.monotonic() + BODY_TIMEOUT + 4 * LATE
    while triton.open_calls and time.monotonic() < until:
        most = max(most, memory(server))
        time.sleep(0.1)
    assert not triton.open_calls, "a model still works for a reader that has stalled"
    assert most - before < 64 * MIB
    told = server.log_text()[log_before:].splitlines()
    stopped = [line for line in told if "its client has stopped reading" in line]
    assert len(stopped) == count
    for reader in readers:
        reader.socket.close()


def test_a_slow_reader_that_goes_on_gets_all_of_a_large_answer(
    server: Server, http_triton: ScriptedHttpTriton
) -> None:
    """It takes several times as long as a reader may stand still."""
    vector = np.random.default_rng(7).random(NUM_DIMS)
    http_triton.infer = lambda tensors: np.broadcast_to(
        vector, (*tensors["input_ids"].shape, NUM_DIMS)
    )
    raw = json.dumps({"model": EMBEDDING, "input": ["a"] * NUM_TEXTS}).encode()
    with closing(Wire(server, receive_buffer=65536).socket) as reader:
        reader.sendall(request(f"Content-Length: {len(raw)}", target="/v1/embeddings", body=raw))
        received = bytearray(reader.recv(65536))
        head, _, _ = received.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
        begun = time.monotonic()
        while len(received) < len(head) + 4 + size:
            part = reader.recv(65536)
            assert part, f"the answer ends after {len(received)} of {size} bytes"
            received += part
            time.sleep(len(part) / BYTES_PER_SECOND)
    assert time.monotonic() - begun > 2 * BODY_TIMEOUT
    assert len(json.loads(received[len(head) :])["data"]) == NUM_TEXTS
