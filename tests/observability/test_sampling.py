"""A worker looks at itself, on its event loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.observability.samples import Samples

PROJECT = Path(__file__).parents[2]

# The first half second is quiet, then nothing runs for another half.
WORKER = """
from gevent import monkey
monkey.patch_all()
import sys, time
from app.observability import sampling
from app.observability.exposition import metrics_text

class Load:
    num_inflight = num_waiting = 0
    max_inflight = max_queue = 9

class Worker:
    num_connections = 5
    worker_connections = 64

load = Load()
sampling.follow({"one": load})
sampling.start(Worker())
load.num_inflight = 7
time.sleep(0.8)
end = time.monotonic() + 0.6
while time.monotonic() < end:
    pass
time.sleep(0.2)
sys.stdout.write(metrics_text().decode())
"""


def test_lag_is_measured_and_the_load_is_looked_at() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WORKER], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    found = Samples(ran.stdout)
    late = "event_loop_lag_seconds_bucket"
    assert found.value(late, le="+Inf") - found.value(late, le="0.5") >= 1
    assert found.value(late, le="+Inf") >= 5
    assert found.value("event_loop_lag_seconds_sum") >= 0.5
    assert found.value("requests_running", model="one") == 7
    assert found.value("open_connections") == 5
    assert found.value("max_connections") == 64
