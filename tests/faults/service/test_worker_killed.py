"""A worker is killed under load, again and again: case B1."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import pytest

from tests.faults.bench.client import COMPLETIONS, Outcome, Streams, Traffic, completion, streamed
from tests.faults.bench.common import Bench, common_pass
from tests.faults.bench.processes import Usage, usage
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import SLACK, Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import (
    LONGEST,
    cpu_seconds,
    is_alive,
    ready_workers,
    total,
    until_ready,
)
from tests.live.waiting import wait_until

NUM_STREAMS, NUM_STREAMS_QUICK = 20, 8
NUM_TOKENS, NUM_TOKENS_QUICK = 40, 20
SPEAKING = Script(delay_ms=150)
# Of another model, so that the streams' own can be counted.
SHORT_CALL = completion("a b c", 2, model="llm-bad")
MODELS = ("llm", "llm-bad")
SPARE = 2
"""File descriptors and threads that may come and go."""
OPEN = "openai_api_open_requests"
COUNTER = ("openai_api_requests_total", f'route="{COMPLETIONS}"', 'status="200"')


class Kills:
    """What the kills did to the streams and to the service."""

    def __init__(self, bench: Bench, words: Words, num_streams: int, num_tokens: int) -> None:
        self._bench = bench
        self._prompts = [words.prompt(number) for number in range(num_streams)]
        self._num_tokens = num_tokens
        self.texts = [words.answer(prompt, num_tokens) for prompt in self._prompts]
        """What each of the streams says."""
        self.killed: list[int] = []
        self.at: list[tuple[float, float]] = []
        self.respawns: list[float] = []
        self.starts: list[float] = []
        self.until_cancelled: list[float] = []
        self._streams: list[Streams] = []

    def kill(self) -> None:
        """One of the workers, as soon as all streams speak; returns when there is another."""
        bodies = [streamed(prompt, self._num_tokens, SPEAKING) for prompt in self._prompts]
        streams = Streams(self._bench.gateway.server, bodies)
        self._streams.append(streams)
        streams.wait_for_words(1)
        pids = ready_workers(self._bench.gateway)
        victim = pids[len(self.killed) % len(pids)]
        before = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        self.killed.append(victim)
        # Until then the system may still give it connections.
        wait_until(lambda: not is_alive(victim), "its end")
        self.at.append((before, time.monotonic()))
        self._wait_for_the_model(before)
        self.respawns.append(until_ready(self._bench.gateway, before))
        self.starts += map(cpu_seconds, set(ready_workers(self._bench.gateway)) - set(pids))

    def _wait_for_the_model(self, since: float) -> None:
        """Until it runs no more than what a client still reads."""
        wait_until(lambda: self._bench.num_running("llm") <= self._num_open(), "the end in Triton")
        self.until_cancelled.append(time.monotonic() - since)

    def _num_open(self) -> int:
        return sum(not each.ended_at for streams in self._streams for each in streams.outcomes)

    def streams(self) -> list[Outcome]:
        """All of them, once they have ended."""
        return [outcome for streams in self._streams for outcome in streams.join()]


def is_hit(call: Outcome, killed: tuple[float, float]) -> bool:
    """Whether it was open at some moment of the killing."""
    before, after = killed
    return call.started_at < after and call.ended_at > before


def check_calls(case: Case, calls: Sequence[Outcome], kills: Kills) -> None:
    """One that was sent when a worker was dead meets the other one."""
    bad = [each for each in calls if each.kind != "complete"]
    in_flight = [each for each in bad if any(is_hit(each, at) for at in kills.at)]
    case.exactly("calls that failed", len(bad) - len(in_flight), 0)
    broken = {each.kind for each in in_flight} <= {"cut"}
    bar = "cut, and those alone that the dead worker had begun"
    case.holds(f"of {len(calls)} calls, lost with their worker", broken, len(in_flight), bar)


def check_streams(case: Case, streams: Sequence[Outcome], texts: list[str]) -> None:
    num_killed = len(streams) // len(texts)
    cut = [each for each in streams if each.kind == "cut"]
    whole = [each for each in streams if each.kind == "complete"]
    case.exactly("streams that neither ended nor were cut", len(streams) - len(cut) - len(whole), 0)
    # Which worker has which streams is chance, as long as few are killed.
    is_met = bool(cut) or num_killed < 5
    case.holds("streams of dead workers", is_met, len(cut), "their sockets are cut")
    ends = sum(each.is_done or each.finish_reason is not None for each in cut)
    case.exactly("of these, ended as if whole", ends, 0)
    # Several tokens may come in one event.
    pairs = zip(streams, texts * num_killed, strict=True)
    wrong = sum(each.kind == "complete" and each.text != text for each, text in pairs)
    case.exactly("wrong texts of the others", wrong, 0)


def check_master(case: Case, before: Usage, after: Usage) -> None:
    fds, threads = after.fds - before.fds, after.threads - before.threads
    case.holds("descriptors that the master gained", abs(fds) <= SPARE, fds, f"≤ {SPARE}")
    case.exactly("threads that it gained", threads, 0)


def check_metrics(case: Case, bench: Bench, counted: float, outcomes: Sequence[Outcome]) -> None:
    """A worker's numbers outlive it; what it had not counted yet is what it had not ended."""
    ended = sum(each.kind == "complete" for each in outcomes)
    lost = sum(each.kind == "cut" for each in outcomes)
    # Each is counted right behind its last byte.
    wait_until(lambda: not total(bench.gateway, OPEN), "that all requests are closed")
    wait_until(lambda: total(bench.gateway, *COUNTER) - counted >= ended, "that all are counted")
    gained = total(bench.gateway, *COUNTER) - counted
    bar = f"the {ended} that ended, {lost} more at the most"
    case.holds("requests in /metrics", ended <= gained <= ended + lost, f"{gained:.0f}", bar)
    # The sum of all workers' gauges, of which the dead have none.
    for name in ("open_requests", "requests_running", "requests_waiting"):
        case.exactly(f"/metrics: {name}", total(bench.gateway, f"openai_api_{name}"), 0)


def kill_workers(
    start: Start,
    case: Case,
    words: Words,
    times: int,
    rate: float,
    num_streams: int = NUM_STREAMS,
    num_tokens: int = NUM_TOKENS,
) -> None:
    what = f"kill -9 of a worker under {rate:g} calls a second and {num_streams} streams"
    case.injects(what, times)
    killed: list[int] = []
    with start() as bench, common_pass(bench, case, lost_workers=killed, counted=MODELS) as watch:
        master, before = bench.gateway.master_pid, usage(bench.gateway.master_pid)
        first, counted = bench.gateway.worker_pids, total(bench.gateway, *COUNTER)
        kills = Kills(bench, words, num_streams, num_tokens)
        with Traffic(bench.gateway.server, SHORT_CALL, interval=1 / rate) as traffic:
            for _ in range(times):
                kills.kill()
        calls, streams = traffic.outcomes(), kills.streams()
        killed += set(first) & set(kills.killed)
        watch.saw([*calls, *streams])
        check_calls(case, calls, kills)
        check_streams(case, streams, kills.texts)
        # It is mostly work of the processor, of which a busy machine has little.
        slack = SLACK if case.is_whole else 100
        case.at_most("to as many workers as before", max(kills.respawns), 5.0, slack=slack)
        start_cpu = max(kills.starts)
        case.observes("processor time of a start", start_cpu <= 5, f"{start_cpu:.3g} s", "≤ 5 s")
        case.at_most(
            "until the model runs none of a dead worker's", max(kills.until_cancelled), 1.0
        )
        check_master(case, before, usage(master))
        wait_until(lambda: not bench.gateway.num_running(), "that nothing runs")
        check_metrics(case, bench, counted, [*calls, *streams])


@pytest.mark.timeout(LONGEST)
@pytest.mark.case("B1", "a worker is killed under load")
def test_b1_quick(start: Start, case: Case, words: Words) -> None:
    kill_workers(start, case, words, 2, 10, NUM_STREAMS_QUICK, NUM_TOKENS_QUICK)


@pytest.mark.whole
@pytest.mark.timeout(LONGEST)
@pytest.mark.case("B1", "20 workers are killed under load")
def test_b1(start: Start, case: Case, words: Words) -> None:
    kill_workers(start, case, words, 20, 50)
