"""Signals for upgrades, more workers, logs and the quick end; a worker stands still: case B4."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.bench.client import Streams, Traffic, completion, kinds, streamed
from tests.faults.bench.common import Bench, common_pass
from tests.faults.bench.processes import children
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import (
    SECONDS,
    exit_code,
    family,
    is_alive,
    ready_workers,
    send,
    until_ready,
    wait_for_log,
)
from tests.live.waiting import wait_until

pytestmark = pytest.mark.whole

CALL = completion("a b c", 4, Script(delay_ms=20))
INTERVAL = 0.05
NUM_STREAMS = 10
SPEAKING = Script(delay_ms=200)
TIMEOUT = 5


@contextmanager
def calls_succeed(bench: Bench, case: Case) -> Iterator[None]:
    """None fails while something is done."""
    with Traffic(bench.gateway.server, CALL, interval=INTERVAL) as traffic:
        yield
        # Long enough for calls that meet what was done.
        time.sleep(1)
    outcomes = traffic.outcomes()
    case.exactly("calls", kinds(outcomes), {"complete": len(outcomes)})


@pytest.mark.case("B4", "another master takes over")
def test_b4_usr2(start: Start, case: Case, words: Words) -> None:
    case.injects("SIGUSR2, and SIGTERM for the old master, under 20 calls a second and 10 streams")
    with start() as bench:
        gateway, old = bench.gateway, bench.gateway.worker_pids
        with calls_succeed(bench, case):
            sent_at = send(gateway, signal.SIGUSR2)
            wait_for_log(gateway, "Worker ready", 2 * len(old))
            case.at_most("until the new workers serve", time.monotonic() - sent_at, 10.0)
            (new,) = set(children(gateway.master_pid)) - set(old)
            bodies = [streamed(words.prompt(n), 30, Script(delay_ms=100)) for n in range(10)]
            streams = Streams(gateway.server, bodies)
            streams.wait_for_words(1)
            send(gateway, signal.SIGTERM)
            case.exactly("the old master's exit code", exit_code_alone(bench), 0)
            case.exactly("streams", kinds(streams.join()), {"complete": 10})
        case.exactly("old workers left", [pid for pid in old if is_alive(pid)], [])
        everyone = family(new)
        os.kill(new, signal.SIGTERM)
        wait_until(lambda: not any(map(is_alive, everyone)), "the end of the new one", SECONDS)
        case.exactly("tracebacks", gateway.server.log_text().count("Traceback"), 0)


def exit_code_alone(bench: Bench) -> int:
    """Of the first master, whose process group another one lives in."""
    master = bench.gateway.master_pid
    wait_until(lambda: not is_alive(master), "the end", SECONDS)
    found = os.waitid(os.P_PID, master, os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_status


@pytest.mark.case("B4", "more workers, fewer, and new log files")
def test_b4_ttin_ttou_usr1(start: Start, case: Case) -> None:
    case.injects("SIGTTIN, SIGTTIN, SIGUSR1, SIGTTOU, SIGTTOU under 20 calls a second", 3)
    with start() as bench, calls_succeed(bench, case):
        gateway = bench.gateway
        for _ in range(3):
            for number in (3, 4):
                until_ready(gateway, send(gateway, signal.SIGTTIN), number)
            send(gateway, signal.SIGUSR1)
            for number in (3, 2):
                until_ready(gateway, send(gateway, signal.SIGTTOU), number)
        case.exactly("workers", len(ready_workers(gateway)), 2)
        case.exactly("tracebacks", gateway.server.log_text().count("Traceback"), 0)


@pytest.mark.case("B4", "a worker stands still")
def test_b4_stopped_worker(start: Start, case: Case, words: Words) -> None:
    case.injects(f"SIGSTOP of a worker under 20 calls a second and streams, --timeout {TIMEOUT}")
    lost: list[int] = []
    with (
        start(GUNICORN_CMD_ARGS=f"--timeout {TIMEOUT}") as bench,
        common_pass(bench, case, lost_workers=lost, counted=("llm",)) as watch,
    ):
        gateway = bench.gateway
        bodies = [streamed(words.prompt(n), 30, SPEAKING) for n in range(NUM_STREAMS)]
        with Traffic(gateway.server, CALL, interval=INTERVAL) as traffic:
            streams = Streams(gateway.server, bodies)
            streams.wait_for_words(1)
            victim = ready_workers(gateway)[0]
            os.kill(victim, signal.SIGSTOP)
            stopped_at = time.monotonic()
            lost.append(victim)
            wait_until(lambda: not is_alive(victim), "that it is killed", SECONDS)
            case.at_most("to its end", time.monotonic() - stopped_at, TIMEOUT + 3.0, slack=2)
            case.at_most("to its replacement", until_ready(gateway, stopped_at), 12.0)
        calls, spoke = traffic.outcomes(), streams.join()
        watch.saw([*calls, *spoke])
        bad = [each for each in calls if each.kind != "complete"]
        late = [each for each in bad if each.started_at > stopped_at]
        case.exactly("calls that failed without having met it", len(late), 0)
        case.holds("calls lost on it", {each.kind for each in bad} <= {"cut"}, len(bad), "cut")
        case.holds(
            "streams", set(kinds(spoke)) <= {"complete", "cut"}, kinds(spoke), "whole or cut"
        )


@pytest.mark.parametrize("signals", [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGQUIT",)])
@pytest.mark.case("B4", "the quick end")
def test_b4_quick_end(start: Start, case: Case, words: Words, signals: tuple[str, ...]) -> None:
    case.title += f": {' and '.join(signals)}"
    case.injects(f"{' and '.join(signals)} under {NUM_STREAMS} streams")
    with start() as bench:
        gateway, before = bench.gateway, bench.counters().cancelled
        bodies = [streamed(words.prompt(n), 400, SPEAKING) for n in range(NUM_STREAMS)]
        streams = Streams(gateway.server, bodies)
        streams.wait_for_words(1)
        everyone = family(gateway.master_pid)
        for name in signals:
            time.sleep(1)
            open_before = kinds([each for each in streams.outcomes if each.ended_at])
            case.exactly(f"streams that ended before {name}", open_before, {})
            sent_at = send(gateway, signal.Signals[name])
        code = exit_code(gateway, SECONDS)
        case.at_most("to the end", time.monotonic() - sent_at, 3.0)
        case.exactly("exit code", code, 0)
        case.exactly("streams", kinds(streams.join()), {"cut": NUM_STREAMS})
        case.exactly("processes left", [pid for pid in everyone if is_alive(pid)], [])
        wait_until(lambda: bench.counters().cancelled == before + NUM_STREAMS, "the end in Triton")
