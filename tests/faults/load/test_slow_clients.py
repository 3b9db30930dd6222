"""Clients that do not read, and clients that do not send: cases C4 and C5."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.faults.bench.client import Outcome, ask, percentile, streamed
from tests.faults.bench.common import GOOD_CALL, Bench, common_pass
from tests.faults.bench.gateway import ENVIRONMENT
from tests.faults.bench.script import Script
from tests.faults.load.crowd import Crowd, Visit, post, run
from tests.faults.load.footprint import Footprint
from tests.faults.record import Case
from tests.live.waiting import wait_until

LLM, TEXT = ("llm",), ("text-bad",)
STALL_SECONDS = float(ENVIRONMENT["BODY_TIMEOUT"])
HEAD_SECONDS = 10.0
MIB = 64
# `text-bad` repeats its prompt word by word: more than the buffers up to a reader hold.
WORD_BYTES, NUM_WORDS = 2000, 5000
RATE = 1600
"""Words a second of all streams. Triton 2.51.0's stub may hang for ever behind much more."""
STOPPED = "its client has stopped reading"


def stalled(load: Bench, case: Case, count: int) -> None:
    """They never read, and the model goes on."""
    delay = Script(delay_ms=1000 * count // RATE)
    body = streamed("x" * WORD_BYTES, NUM_WORDS, delay, "text-bad")
    case.injects(f"readers of {RATE * WORD_BYTES / 1e6:g} MB a second that never read", count)
    gateway, visits = load.gateway, [Visit(post(body), is_reading=False)] * count
    with common_pass(load, case, counted=TEXT), ThreadPoolExecutor(1) as pool:
        before, offset = load.counters("text-bad").cancelled, len(gateway.server.log_text())
        footprint, is_over = Footprint(gateway), threading.Event()
        begun_at = time.monotonic()

        def watch() -> bool:
            return footprint() or is_over.is_set()

        crowd = pool.submit(run, gateway.server, visits, seconds=120, watch=watch)
        while load.counters("text-bad").cancelled - before < count and not crowd.done():
            time.sleep(0.1)
        took = time.monotonic() - begun_at
        is_over.set()
        crowd.result()
        case.exactly("cancelled", load.counters("text-bad").cancelled - before, count)

        def told() -> int:
            return gateway.log_since(offset).count(STOPPED)

        wait_until(lambda: told() >= count, "that all are told")
        case.exactly("connections cut", told(), count)
        case.at_most("until all were cut", took, STALL_SECONDS + 1, slack=15)
        grown = footprint.peak
        case.holds("memory at most", grown <= MIB, f"{grown:.1f} MiB", f"≤ {MIB} MiB")
    footprint.is_back(case)


@pytest.mark.case("C4", "8 readers that never read")
def test_c4_quick(load: Bench, case: Case) -> None:
    stalled(load, case, 8)


@pytest.mark.whole
@pytest.mark.case("C4", "100 readers that never read")
def test_c4(load: Bench, case: Case) -> None:
    stalled(load, case, 100)


RAMP = 3.0
"""Seconds in which they come: all at once they would be a load of another kind."""
FIELDS = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
HEAD = Visit(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: ", drip=b"a" * 60)
BODY = Visit(FIELDS + b"Content-Length: 1000\r\n\r\n{", drip=b" " * 60)
IDLE = Visit(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")


def good_calls(load: Bench, seconds: float) -> list[Outcome]:
    """One after the other for so long."""
    until, outcomes = time.monotonic() + seconds, []
    while time.monotonic() < until:
        outcomes.append(ask(load.gateway.server, GOOD_CALL))
        time.sleep(0.05)
    return outcomes


def p99(outcomes: list[Outcome]) -> float:
    return percentile([each.seconds for each in outcomes], 0.99)


def slowest(crowd: Crowd, kind: slice) -> float:
    return max(each.seconds for each in crowd.outcomes[kind])


@pytest.mark.whole
@pytest.mark.case("C5", "500 slow heads, 500 slow bodies and 1,000 idle connections")
def test_c5(load: Bench, case: Case) -> None:
    case.injects("heads and bodies that come a byte a second, and idle connections", 2000)
    heads, bodies, idle = slice(0, 500), slice(500, 1000), slice(1000, 2000)
    kinds = [HEAD] * 500 + [BODY] * 500 + [IDLE] * 1000
    visits = [replace(kind, start=n % 500 / 500 * RAMP) for n, kind in enumerate(kinds)]
    with common_pass(load, case, counted=LLM) as watch, ThreadPoolExecutor(1) as pool:
        footprint, alone = Footprint(load.gateway), good_calls(load, 10)
        beside = pool.submit(good_calls, load, 10)
        crowd = run(load.gateway.server, visits, seconds=60, watch=footprint)
        good = beside.result()
        watch.saw([*alone, *good])
        case.exactly("good calls", Counter(each.kind for each in good), {"complete": len(good)})
        answers = [
            Counter(each.status for each in crowd.outcomes[k]) for k in (heads, bodies, idle)
        ]
        case.exactly("answers to heads", answers[0], {None: 500})
        case.exactly("answers to bodies", answers[1], {408: 500})
        case.exactly("answers before idling", answers[2], {200: 1000})
        case.exactly("still open", sum(e.failure == "has not ended" for e in crowd.outcomes), 0)
        case.at_most("heads were cut", slowest(crowd, heads), HEAD_SECONDS)
        case.at_most("bodies were cut", slowest(crowd, bodies), STALL_SECONDS + 2)
        case.at_most("idle ones were cut", slowest(crowd, idle), HEAD_SECONDS)
        case.at_most("p99 of good calls", p99(good) / p99(alone), 2.0, "times", slack=10)
        case.at_most("p99 of /livez", percentile(crowd.probes, 0.99), 0.05, slack=50)
        case.observes("memory at most", True, f"{footprint.peak:.1f} MiB", "-")
    footprint.is_back(case)
