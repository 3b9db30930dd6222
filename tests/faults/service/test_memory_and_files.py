"""Too little memory, and too few file descriptors: cases B5 and B6."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.bench.client import Traffic, ask, completion, kinds
from tests.faults.bench.common import GOOD_CALL, Bench, common_pass, until_well
from tests.faults.bench.gateway import Gateway
from tests.faults.record import SLACK, Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import cpu_seconds, is_alive, ready_workers, until_ready
from tests.live.http import JSON_HEADERS, Server
from tests.live.waiting import wait_until

pytestmark = pytest.mark.whole

MIB = 2**20
CALL = completion("a b c", 2)

NUM_BODIES = 100
NUM_INPUTS = 2000
# In all 14 MiB, below MAX_BODY_BYTES; each is cut to what the model takes.
LARGE_BODY = json.dumps({"model": "embed", "input": ["word " * 1400] * NUM_INPUTS}).encode()
SPARE_MEMORY = 150
"""MiB of address space that a process may have beside what it has at rest."""

NUM_FILES = 256
NUM_IDLE = 800
WATCHED_SECONDS = 3.0


def peak_address_space(pid: int) -> int:
    """In MiB."""
    found = re.search(r"VmPeak:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def send_large(server: Server, statuses: Counter[object]) -> None:
    try:
        answer = server.request("POST", "/v1/embeddings", LARGE_BODY, JSON_HEADERS)
        statuses[answer.status] += 1
        assert answer.json(), answer.body
    except OSError as error:
        statuses[type(error).__name__] += 1
    except ValueError:
        statuses["not JSON"] += 1


def send_all(server: Server) -> Counter[object]:
    """All large bodies at the same time; how they were answered."""
    statuses: Counter[object] = Counter()
    threads = [
        threading.Thread(target=send_large, args=(server, statuses)) for _ in range(NUM_BODIES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.case("B5", "100 large bodies and little memory")
def test_b5(start: Start, case: Case) -> None:
    with start() as bench:
        bench.gateway.server.request("POST", "/v1/embeddings", LARGE_BODY, JSON_HEADERS)
        peak = max(map(peak_address_space, ready_workers(bench.gateway)))
    limit = peak + SPARE_MEMORY
    case.title += f" {limit}"
    case.injects(f"{NUM_BODIES} bodies of 14 MiB at once, prlimit --as of {limit} MiB")
    with start(("prlimit", f"--as={limit * MIB}")) as bench:
        gateway, before = bench.gateway, ready_workers(bench.gateway)
        with Traffic(gateway.server, CALL, interval=0.1) as traffic:
            statuses = send_all(gateway.server)
            over_at = time.monotonic()
        until_ready(gateway, over_at)
        lost = [pid for pid in before if not is_alive(pid)]
        num = gateway.server.log_text().count("Traceback")
        case.injected += f"{statuses} {lost} {num} {kinds(traffic.outcomes())}"
