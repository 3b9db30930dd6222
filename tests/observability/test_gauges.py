"""A worker looks at itself, on its event loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.observability.samples import Samples

PROJECT = Path(__file__).parents[2]

# For a while it is quiet, then nothing runs for half a second.
WORKER = """
from gevent import monkey
monkey.patch_all()
import sys, time
from gevent.monkey import get_original
from app.observability import gauges
from app.observability.exposition import metrics_text

class Load:
    num_inflight = num_waiting = 0
    max_inflight = max_queue = 9

class Worker:
    num_connections = 5
    worker_connections = 64

load = Load()
gauges.follow({"one": load})
gauges.start(Worker())
load.num_inflight = 7

def has_looked(what, times):
    while found(what) < times:
        time.sleep(0.05)

def found(name):
    words = [line.split() for line in metrics_text().decode().splitlines()]
    return float(next((each[-1] for each in words if each and each[0].endswith(name)), 0))

has_looked("event_loop_lag_seconds_count", 15)
looked = found("event_loop_lag_seconds_count")
get_original("time", "sleep")(0.8)
has_looked("event_loop_lag_seconds_count", looked + 2)
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
