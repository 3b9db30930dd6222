"""Too little memory, and too few file descriptors: cases B5 and B6."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.bench.client import COMPLETIONS, Streams, Traffic, completion, kinds, streamed
from tests.faults.bench.common import Bench, common_pass, until_well
from tests.faults.bench.script import Script
from tests.faults.record import Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import cpu_seconds, ready_workers
from tests.live.http import JSON_HEADERS, Server

pytestmark = pytest.mark.whole

MIB = 2**20
CALL = completion("a b c", 2)
EMBEDDINGS = "/v1/embeddings"

NUM_BODIES = 100
# 13 MiB, of which the model takes 512 tokens each.
LARGE_BODY = json.dumps({"model": "embed", "input": ["word " * 1400] * 2000}).encode()
# One of them at a time in each worker.
ONE_BODY = str(16 * MIB)
SPARE_MEMORY = 150
"""MiB of address space for a worker beside what one such body takes."""

NUM_FILES = 256
# More than two workers of so few files have connections.
NUM_IDLE = 400
NUM_STREAMS = 250
WATCHED_SECONDS = 5.0


def peak_address_space(pid: int) -> int:
    """In MiB."""
    found = re.search(r"VmPeak:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def memory_for_one_body(bench: Bench) -> int:
    """MiB of address space."""
    server = bench.gateway.server
    assert server.request("POST", EMBEDDINGS, LARGE_BODY, JSON_HEADERS).status == 200
    return max(map(peak_address_space, ready_workers(bench.gateway)))


def send_large(server: Server, statuses: Counter[object]) -> None:
    """A body that is refused may not be read to its end; the answer is there nevertheless."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", EMBEDDINGS, LARGE_BODY, JSON_HEADERS)
        response = connection.getresponse()
        json.loads(response.read())
        statuses[response.status] += 1
    except (OSError, http.client.HTTPException, ValueError) as error:
        statuses[type(error).__name__] += 1
    finally:
        connection.close()


def send_all(server: Server) -> Counter[object]:
    """All large bodies at the same time; how they were answered."""
    statuses: Counter[object] = Counter()
    senders = [
        threading.Thread(target=send_large, args=(server, statuses)) for _ in range(NUM_BODIES)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return statuses


@pytest.mark.case("B5", "100 large bodies and little memory")
def test_b5(start: Start, case: Case) -> None:
    with start() as bench:
        limit = memory_for_one_body(bench) + SPARE_MEMORY
    case.injects(f"{NUM_BODIES} bodies of 13 MiB at once, `prlimit --as` of {limit} MiB")
    prefix = ("prlimit", f"--as={limit * MIB}")
    with start(prefix, MAX_BODIES_BYTES=ONE_BODY) as bench, common_pass(bench, case) as watch:
        with Traffic(bench.gateway.server, CALL, interval=0.1) as traffic:
            statuses = send_all(bench.gateway.server)
            watch.fault_is_over()
        calls = traffic.outcomes()
        watch.saw(calls)
        answered = {each for each in statuses if isinstance(each, int)}
        # The bench's model is slow with so many rows, which is a 504.
        is_right = answered <= {200, 503, 504}
        case.holds("answers", is_right, dict(statuses), "200, 503 and 504, or not read")
        case.holds("answers of 503", statuses[503] > 0, statuses[503], "some")
        case.exactly("small calls meanwhile", kinds(calls), {"complete": len(calls)})


def connect(stack: ExitStack, server: Server) -> None:
    stack.enter_context(socket.create_connection((server.host, server.port), 30))


@pytest.mark.case("B6", "few file descriptors, and idle connections that take all of them")
def test_b6_idle(start: Start, case: Case) -> None:
    case.injects(f"`prlimit --nofile={NUM_FILES}`, {NUM_IDLE} connections that say nothing")
    prefix = ("prlimit", f"--nofile={NUM_FILES}")
    with start(prefix) as bench, common_pass(bench, case, counted=("llm",)) as watch:
        gateway = bench.gateway
        with ExitStack() as idle:
            for _ in range(NUM_IDLE):
                connect(idle, gateway.server)
            used, since = {pid: cpu_seconds(pid) for pid in gateway.worker_pids}, time.monotonic()
            calls = Streams(gateway.server, [CALL] * 10)
            time.sleep(WATCHED_SECONDS)
            seconds = time.monotonic() - since
            busy = max((cpu_seconds(pid) - before) / seconds for pid, before in used.items())
            fds = max(usage.fds for usage in gateway.usage().values())
        watch.fault_is_over()
        case.holds("busiest worker", busy <= 0.2, f"{busy:.0%}", "≤ 20 % of a processor")
        case.holds("descriptors of a worker", fds < NUM_FILES, fds, f"< {NUM_FILES}")
        case.at_most("a good call again", until_well(gateway.server, time.monotonic()), 5.0)
        outcomes = calls.join()
        watch.saw(outcomes)
        # They wait behind the idle ones, which the server closes after 5 s.
        ends = set(kinds(outcomes)) <= {"complete", "error"}
        case.holds("calls that waited", ends, kinds(outcomes), "answered in the end")
        errors = gateway.server.log_text().count("Too many open files")
        case.exactly("errors for want of descriptors", errors, 0)


@pytest.mark.case("B6", "few file descriptors, and streams that take all of them")
def test_b6_streams(start: Start, case: Case) -> None:
    case.injects(f"`prlimit --nofile={NUM_FILES}`, {NUM_STREAMS} streams at once")
    prefix = ("prlimit", f"--nofile={NUM_FILES}")
    with start(prefix) as bench, common_pass(bench, case, counted=("llm",)) as watch:
        server = bench.gateway.server
        told = bench.gateway.log_since(0).count("raise the limit of open files")
        case.exactly("warnings at the start", told, 1)
        body = streamed("a b c", 40, Script(delay_ms=200))
        outcomes = Streams(server, [body] * NUM_STREAMS).join()
        watch.fault_is_over()
        watch.saw(outcomes)
        case.holds(
            "streams", set(kinds(outcomes)) == {"complete", "error"}, kinds(outcomes), "both"
        )
        codes = {each.code for each in outcomes if each.kind == "error"}
        case.exactly("codes of the refused", codes, {"server_overloaded"})
        case.exactly("one more behind them", server.post(COMPLETIONS, CALL).status, 200)
        errors = server.log_text().count("Too many open files")
        case.exactly("errors for want of descriptors", errors, 0)
