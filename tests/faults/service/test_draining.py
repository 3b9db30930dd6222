"""SIGTERM under streams: case B2."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Sequence

import pytest

from tests.faults.bench.client import Outcome, Streams, Traffic, completion, kinds, streamed
from tests.faults.bench.common import Bench
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import SLACK, Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import exit_code, family, is_alive, send, until_ready
from tests.live.http import Server
from tests.live.waiting import wait_until

NUM_EACH, NUM_EACH_QUICK = 25, 10
GRACEFUL = 10
# There are 5 s for what is open, and then an error.
ENDED_AFTER = GRACEFUL - 5
# They are over long before.
NUM_SHORT = 10
SHORT = Script(delay_ms=100)
LONG = Script(delay_ms=200)
CALL = completion("a b c", 2)
DRAIN_DELAY = 2.0


class Readiness(threading.Thread):
    """Asks /readyz again and again on one connection, until that is closed."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        self.statuses: list[tuple[float, int]] = []

    def run(self) -> None:
        # A connection that is closed must not be opened anew.
        self._connection.auto_open = 0
        self._connection.connect()
        try:
            while True:
                self._connection.request("GET", "/readyz")
                answer = self._connection.getresponse()
                answer.read()
                self.statuses.append((time.monotonic(), answer.status))
                time.sleep(0.02)
        except (OSError, http.client.HTTPException):
            self._connection.close()

    def red_at(self) -> float:
        """When it first was 503."""
        return next(at for at, status in self.statuses if status == 503)

    def statuses_since(self, moment: float) -> set[int]:
        """What it was from then on."""
        return {status for at, status in self.statuses if at >= moment}


def open_streams(bench: Bench, words: Words, each: int) -> tuple[Streams, Streams]:
    """So many long ones, and as many short ones, which all speak."""
    server, prompts = bench.gateway.server, [words.prompt(number) for number in range(each)]
    long = Streams(server, [streamed(prompt, 400, LONG) for prompt in prompts])
    long.wait_for_words(1)
    short = Streams(server, [streamed(prompt, NUM_SHORT, SHORT) for prompt in prompts])
    short.wait_for_words(1)
    return long, short


def check_short(case: Case, words: Words, outcomes: Sequence[Outcome]) -> None:
    case.exactly("short streams", kinds(outcomes), {"complete": len(outcomes)})
    texts = [words.answer(words.prompt(number), NUM_SHORT) for number in range(len(outcomes))]
    right = sum(each.text == text for each, text in zip(outcomes, texts, strict=True))
    case.exactly("right texts of these", right, len(outcomes))


def check_long(case: Case, outcomes: Sequence[Outcome], drained_at: float) -> None:
    case.exactly("long streams", kinds(outcomes), {"frame": len(outcomes)})
    case.exactly("their codes", {each.code for each in outcomes}, {"backend_unavailable"})
    first = min(each.ended_at for each in outcomes) - drained_at
    last = max(each.ended_at for each in outcomes) - drained_at
    early = f"≥ {ENDED_AFTER} s"
    case.holds("first error frame", first >= ENDED_AFTER - 0.5, f"{first:.3g} s", early)
    case.at_most("last error frame", last, ENDED_AFTER + 1, slack=1.5)


def stop_under_streams(
    start: Start, case: Case, words: Words, delay: float, each: int = NUM_EACH
) -> None:
    case.injects(f"SIGTERM under {2 * each} streams, DRAIN_DELAY={delay:g}")
    environment = {"GRACEFUL_TIMEOUT": str(GRACEFUL), "DRAIN_DELAY": f"{delay:g}"}
    with start(**environment) as bench:
        gateway, before = bench.gateway, bench.counters()
        readiness = Readiness(gateway.server)
        readiness.start()
        long, short = open_streams(bench, words, each)
        processes = family(gateway.master_pid)
        stopped_at = send(gateway, signal.SIGTERM)
        check_short(case, words, short.join())
        check_long(case, ended := long.join(), stopped_at + delay)
        code = exit_code(gateway, 60)
        case.at_most("to the end", time.monotonic() - stopped_at, delay + GRACEFUL + 1, slack=1.5)
        case.exactly("exit code", code, 0)
        readiness.join()
        case.at_most("until /readyz is 503", readiness.red_at() - stopped_at, 0.5)
        case.exactly("/readyz from then on", readiness.statuses_since(readiness.red_at()), {503})
        case.exactly("processes left", [pid for pid in processes if is_alive(pid)], [])
        case.exactly("tracebacks", gateway.server.log_text().count("Traceback"), 0)
        wait_until(lambda: not bench.num_running("llm"), "the end in Triton")
        cancelled = bench.counters().cancelled - before.cancelled
        case.exactly("answers that the model was told to end", cancelled, len(ended))


@pytest.mark.case("B2", "SIGTERM under streams")
def test_b2_quick(start: Start, case: Case, words: Words) -> None:
    stop_under_streams(start, case, words, 0.0, NUM_EACH_QUICK)


@pytest.mark.whole
@pytest.mark.case("B2", "SIGTERM under 50 streams")
def test_b2(start: Start, case: Case, words: Words) -> None:
    stop_under_streams(start, case, words, 0.0)


@pytest.mark.whole
@pytest.mark.case("B2", "SIGTERM under 50 streams, with DRAIN_DELAY")
def test_b2_drain_delay(start: Start, case: Case, words: Words) -> None:
    stop_under_streams(start, case, words, DRAIN_DELAY)


@pytest.mark.whole
@pytest.mark.case("B2", "new calls until DRAIN_DELAY is over")
def test_b2_calls_while_draining(start: Start, case: Case) -> None:
    """A load balancer that asks /readyz every second has sent nobody here by then."""
    case.injects(f"SIGTERM under 20 calls a second, DRAIN_DELAY={DRAIN_DELAY:g}")
    with start(DRAIN_DELAY=f"{DRAIN_DELAY:g}") as bench:
        server = bench.gateway.server
        until_ready(bench.gateway, time.monotonic())
        with Traffic(server, CALL, interval=0.05) as traffic:
            stopped_at = send(bench.gateway, signal.SIGTERM)
            wait_until(lambda: server.get("/readyz").status == 503, "the announcement", SLACK)
            time.sleep(max(stopped_at + DRAIN_DELAY / 2 - time.monotonic(), 0))
        outcomes = traffic.outcomes()
        case.exactly("calls of the first half", kinds(outcomes), {"complete": len(outcomes)})
        case.exactly("exit code", exit_code(bench.gateway, 60), 0)
