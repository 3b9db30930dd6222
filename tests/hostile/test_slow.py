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
from tests.hostile.conftest import TORRENT, limited, unharmed
from tests.hostile.requests import BODY, request, sized
from tests.hostile.wire import TIMEOUT, Wire, open_slow, wire
from tests.live.http import Server
from tests.live.servers import running
from tests.live.waiting import LATE, wait_until
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

# Seconds: short, so that those that are cut are so soon.
HEAD_TIMEOUT, BODY_TIMEOUT = 2, 2.0
# gunicorn's own unit.
SECOND = 1.0
NUM_SLOW, NUM_SLOW_WHOLE = 60, 500
# The scripted Triton serves 32 streams at once.
NUM_STALLED, NUM_STALLED_WHOLE = 10, 30
# Refused bodies that are kept would take their places for a minute, 2 seconds each time.
NUM_CONNECTIONS, NUM_REFUSED = 5, 150
MIB = 2**20
# 8 MB of JSON, of which the sockets keep 4 at most.
NUM_TEXTS, NUM_DIMS = 64, 10_000
BYTES_PER_SECOND = MIB
PATIENCE = 120.0


@pytest.fixture(scope="module")
def _impatient_server(
    hostile_configuration: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("impatient") / "log"
    with limited(hostile_configuration, log, BODY_TIMEOUT, HEAD_TIMEOUT) as server:
        yield server


@pytest.fixture
def impatient(
    _impatient_server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> Iterator[Server]:
    """A server with short limits."""
    with unharmed(_impatient_server):
        yield _impatient_server


def trickle(connection: Wire, data: bytes, *, each: float) -> None:
    """Send a byte at a time until the server answers or closes."""
    connection.socket.settimeout(each)
    for index in range(len(data)):
        connection.send(data[index : index + 1])
        try:
            connection.socket.recv(1, 2)  # MSG_PEEK
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        connection.socket.settimeout(TIMEOUT)
        return
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


def test_heads_that_do_not_come_are_cut_in_silence(impatient: Server) -> None:
    def seconds(head: tuple[bytes, bytes]) -> float:
        start, rest = head
        # Before anything is sent, or a busy machine finds the server too early.
        begun = time.monotonic()
        with wire(impatient) as connection:
            connection.send(start)
            if start.startswith(FIRST):
                assert getattr(connection.response(), "status", None) == 200
            if rest:
                trickle(connection, rest, each=0.5)
            assert connection.is_closed()
            return time.monotonic() - begun

    with ThreadPoolExecutor() as pool:
        for name, took in zip(HEADS, pool.map(seconds, HEADS.values()), strict=True):
            assert HEAD_TIMEOUT - SECOND < took < HEAD_TIMEOUT + LATE, name


BODIES = {
    "a length": sized(len(BODY) + 1000, BODY),
    "chunks": request("Transfer-Encoding: chunked", body=b"400\r\n"),
}


def test_bodies_that_do_not_come_are_408(impatient: Server) -> None:
    def exchanged(case: tuple[str, float]) -> None:
        kind, each = case
        begun = time.monotonic()
        with wire(impatient) as connection:
            connection.send(BODIES[kind])
            trickle(connection, b"x" * 300, each=each)
            assert BODY_TIMEOUT - 0.5 < time.monotonic() - begun < BODY_TIMEOUT + LATE
            response = connection.response()
            assert response is not None
            assert response.status == 408
            assert response.error()["code"] == "request_timeout"
            assert connection.is_closed()

    # A byte each tenth of a second, and none at all.
    with ThreadPoolExecutor() as pool:
        list(pool.map(exchanged, product(BODIES, (0.1, 60.0))))


def test_slow_clients_are_all_cut(impatient: Server, pytestconfig: pytest.Config) -> None:
    count = NUM_SLOW_WHOLE if pytestconfig.getoption("whole") else NUM_SLOW
    is_open = set(open_slow(impatient, count))
    begun = time.monotonic()
    while is_open:
        assert time.monotonic() - begun < HEAD_TIMEOUT + LATE
        for connection in is_open:
            connection.send(b"x")
        is_open = {each for each in is_open if not each.has_ended()}
        time.sleep(0.2)


def test_refused_bodies_do_not_keep_the_connections(
    triton: ScriptedTriton, http_triton: ScriptedHttpTriton, tmp_path: Path
) -> None:
    """Many times as many as there are, each of which would be kept for 2 seconds."""
    path = write_configuration(
        tmp_path, standard_configuration(triton.address, http_triton.address)
    )
    limits = {"MAX_BODY_BYTES": "1000", "WORKER_CONNECTIONS": str(NUM_CONNECTIONS)}
    with running("gunicorn", path, tmp_path / "log", **limits) as server, ExitStack() as stack:
        for _ in range(NUM_REFUSED):
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
    impatient: Server, triton: ScriptedTriton, pytestconfig: pytest.Config
) -> None:
    serve(triton, VLLM_INPUTS, VLLM_OUTPUTS, max_batch_size=0)
    triton.script = torrent
    open_torrent(impatient).socket.close()
    wait_until(lambda: not triton.open_calls, "the end of the first")
    before, log_before = memory(impatient), len(impatient.log_text())
    count = NUM_STALLED_WHOLE if pytestconfig.getoption("whole") else NUM_STALLED
    readers = [open_torrent(impatient) for _ in range(count)]
    most = 0
    until = time.monotonic() + BODY_TIMEOUT + 4 * LATE
    while triton.open_calls and time.monotonic() < until:
        most = max(most, memory(impatient))
        time.sleep(0.1)
    assert not triton.open_calls, "a model still works for a reader that has stalled"
    assert most - before < 64 * MIB

    def num_stopped() -> int:
        return impatient.log_text()[log_before:].count("its client has stopped reading")

    wait_until(lambda: num_stopped() >= count, "that the log tells")
    assert num_stopped() == count
    for reader in readers:
        reader.socket.close()


def test_a_slow_reader_that_goes_on_gets_all_of_a_large_answer(
    impatient: Server, http_triton: ScriptedHttpTriton
) -> None:
    """It takes several times as long as a reader may stand still."""
    vector = np.random.default_rng(7).random(NUM_DIMS)
    http_triton.infer = lambda tensors: np.broadcast_to(
        vector, (*tensors["input_ids"].shape, NUM_DIMS)
    )
    # A busy machine may stand still for longer than a reader may: then another one comes.
    until, answer = time.monotonic() + PATIENCE, None
    while answer is None and time.monotonic() < until:
        begun = time.monotonic()
        answer = read_slowly(impatient)
    assert answer is not None, "every answer was cut"
    assert time.monotonic() - begun > 2 * BODY_TIMEOUT
    assert len(json.loads(answer)["data"]) == NUM_TEXTS


def read_slowly(server: Server) -> bytes | None:
    """The body of a large answer, None if it is cut."""
    raw = json.dumps({"model": EMBEDDING, "input": ["a"] * NUM_TEXTS}).encode()
    with closing(Wire(server, receive_buffer=65536).socket) as reader:
        reader.sendall(request(f"Content-Length: {len(raw)}", target="/v1/embeddings", body=raw))
        received = bytearray(reader.recv(65536))
        head, _, _ = received.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
        while len(received) < len(head) + 4 + size:
            try:
                part = reader.recv(65536)
            except ConnectionError:
                return None
            if not part:
                return None
            received += part
            time.sleep(len(part) / BYTES_PER_SECOND)
    return bytes(received[len(head) + 4 :])
