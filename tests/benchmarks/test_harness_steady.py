"""CPU while all streams are open: which samples count, and for whom."""

from __future__ import annotations

import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks import steady
from benchmarks.errors import BenchmarkError
from benchmarks.loads import Chat
from benchmarks.places import Cores
from benchmarks.processes import Command, Report
from benchmarks.steady import AFTER_START, BEFORE_END, Mark, Measured, window

CORES = Cores.of_machine().load
PACED = Chat(model="ft-pace20", connections=10, max_tokens=512, seconds=1.5, ramp=0.5)
CLIENT = """
import json, time
started = time.monotonic()
while time.monotonic() - started < 2.0:
    if time.process_time() < %s * (time.monotonic() - started): pass
    else: time.sleep(0.001)
print(json.dumps({"requests": 0, "errors": 0, "error_samples": [], "seconds": %s,
                  "tokens_seen": 300, "gap_ms": None}))
"""
SLEEPER = "import time; time.sleep(60)"


def report(busy: float, seconds: float) -> Report:
    """A generator that takes this part of a core for 2 s, and says that it saw 300 tokens."""
    return Report(Command([sys.executable, "-c", CLIENT % (busy, seconds)], CORES))


def test_a_client_is_measured_itself() -> None:
    """A third of a core, 10 streams with 20 tokens a second, half of them while they started."""
    found = steady.run(report(busy=1 / 3, seconds=2.0), PACED, Measured(None, []))
    assert found["server_share"] == pytest.approx(1 / 3, rel=0.25)
    assert found["steady_cpu_us_per_token"] == pytest.approx(1e6 / 3 / 200, rel=0.25)
    assert found["load_share"] == 0
    assert found["kept_pace"] == pytest.approx(300 / (10 * 20 * (2.0 - 0.25)))


def test_a_server_is_measured_without_the_generator() -> None:
    server = Report(Command([sys.executable, "-c", SLEEPER], CORES))
    try:
        measured = Measured.of(server.pid, server.pid)
        found = steady.run(report(busy=1 / 3, seconds=1.5), PACED, measured)
    finally:
        server.kill()
    assert found["server_share"] < 0.05
    assert found["load_share"] == pytest.approx(1 / 3, rel=0.25)
    assert found["kept_pace"] == pytest.approx(300 / (10 * 20 * 1.5))


@given(
    times=st.lists(st.floats(0, 10), min_size=1, max_size=100, unique=True).map(sorted),
    seconds=st.floats(2, 10),
)
def test_no_sample_is_taken_while_streams_begin_or_are_cut_off(
    times: list[float], seconds: float
) -> None:
    marks = [Mark(each, 0.0, 0.0) for each in times]
    begin, end = 10 - seconds + AFTER_START, 10 - BEFORE_END
    inside = [each for each in marks if begin <= each.time <= end]
    assume(len(inside) > 1)
    assert window(marks, 10, seconds) == (inside[0], inside[-1])


def test_a_run_that_is_too_short_is_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"1 s is too short"):
        window([Mark(0.1 * tick, 0.0, 0.0) for tick in range(20)], 2.0, 1.0)


def test_streams_without_a_pace_cannot_be_measured_so() -> None:
    load = Chat(model="ft", connections=10, max_tokens=512, seconds=1.5)
    with pytest.raises(BenchmarkError, match="ft has no pace"):
        steady.run(report(busy=0.1, seconds=1.5), load, Measured(None, []))
