"""Draft."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest

from tests.faults.bench.client import Streams, ask, completion, kinds
from tests.faults.bench.common import GOOD_CALL, common_pass, until_well
from tests.faults.record import Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import cpu_seconds, ready_workers

pytestmark = pytest.mark.whole

NUM_FILES = 256
NUM_IDLE = 1200
WATCHED_SECONDS = 3.0


@pytest.mark.case("B6", "few file descriptors, all of them taken")
def test_b6(start: Start, case: Case) -> None:
    case.injects(f"prlimit --nofile={NUM_FILES}, and {NUM_IDLE} connections that say nothing")
    with start(("prlimit", f"--nofile={NUM_FILES}")) as bench, ExitStack() as stack:
        gateway = bench.gateway
        address = (gateway.server.host, gateway.server.port)
        before = ask(gateway.server, GOOD_CALL).kind
        for _ in range(NUM_IDLE):
            stack.enter_context(socket.create_connection(address, 5))
        filled_at = time.monotonic()
        used = {pid: cpu_seconds(pid) for pid in gateway.worker_pids}
        seen = []
        calls = Streams(gateway.server, [completion("a", 2)] * 10)
        while time.monotonic() - filled_at < WATCHED_SECONDS:
            seen.append([(u.fds, u.threads) for u in gateway.usage().values()])
            time.sleep(0.5)
        seconds = time.monotonic() - filled_at
        print(seen)
        print({pid: (cpu_seconds(pid) - u) / seconds for pid, u in used.items()})
        outs = calls.join()
        print(before, [(o.kind, o.seconds, o.failure, o.status) for o in outs])
        stack.close()
        print("well", until_well(gateway.server, time.monotonic()))
        print(gateway.server.log_text()[-5000:])
