"""Clients that go away at any moment, or all at once: cases C3 and C6."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import fields

import pytest

from demo.counters import Counters
from tests.faults.bench.client import ask, completion, percentile, streamed
from tests.faults.bench.common import Bench, common_pass
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.load.crowd import Visit, post, run
from tests.faults.load.footprint import Footprint
from tests.faults.record import Case
from tests.live.leaving import num_running
from tests.live.waiting import wait_until

LLM = ("llm",)
SEED = 1
ANSWER = Script(delay_ms=50)
MIB_KEPT = 32
# Seconds from one client to the next. Of 200 cancellations at the same moment Triton 2.51.0 itself
# may end, with SIGSEGV or std::system_error.
APART = 0.01


def since(load: Bench, before: Counters) -> Counters:
    """What the model has counted since then, once it rests.

    All of one look: behind it Triton may still begin what was sent to it last.
    """
    looks: list[Counters] = []

    def is_at_rest() -> bool:
        looks.append(load.counters())
        return num_running(looks[-1]) == 0

    wait_until(is_at_rest, "that the model rests")
    names = [field.name for field in fields(Counters)]
    return Counters(**{name: getattr(looks[-1], name) - getattr(before, name) for name in names})


def leaving(words: Words, count: int) -> Iterator[Visit]:
    """They leave in the head, in the body, before the first token, in the answer, or not."""
    chance = random.Random(SEED)
    for number in range(count):
        make = chance.choice((streamed, completion))
        request = post(make(words.prompt(number), 20, ANSWER))
        if chance.random() < 0.3:
            request = request[: chance.randrange(len(request))]
        stay = chance.choice((0.0, chance.uniform(0, 0.2), chance.uniform(0, 2)))
        yield Visit(request, stay=stay, leave_by=chance.choice(("fin", "rst")))


def come_and_go(load: Bench, case: Case, words: Words, count: int, num_clients: int) -> None:
    case.injects(f"{num_clients} clients that leave at random moments (seed {SEED})", count)
    server = load.gateway.server
    # What is made once for each worker is not a leak.
    run(server, leaving(words, min(count, 100)), num_clients=min(num_clients, 50))
    wait_until(lambda: not load.gateway.num_running(), "that nothing runs")
    with common_pass(load, case, counted=LLM) as watch:
        footprint, before = Footprint(load.gateway), load.counters()
        crowd = run(server, leaving(words, count), num_clients=num_clients, seconds=280)
        case.exactly("visits", len(crowd.outcomes), count)
        watch.saw([each for each in crowd.outcomes if each.failure is None])
        watch.fault_is_over()
        wait_until(lambda: not load.gateway.num_running(), "that nothing runs")
        seen = since(load, before)
        ended = seen.completed + seen.cancelled
        case.exactly("requests that the model ended, of those it began", ended, seen.started)
        case.holds("cancelled among them", seen.cancelled > 0, seen.cancelled, "> 0")
        probes = f"{percentile(crowd.probes, 0.99):.3g} s"
        case.observes("p99 of /livez", True, probes, "-, the connections have to queue")
    footprint.is_back(case)
    footprint.grown_at_most(case, MIB_KEPT)


@pytest.mark.case("C3", "clients that come and go, 150 times")
def test_c3_quick(load: Bench, case: Case, words: Words) -> None:
    come_and_go(load, case, words, 150, 50)


@pytest.mark.whole
@pytest.mark.case("C3", "clients that come and go, 10,000 times")
def test_c3(load: Bench, case: Case, words: Words) -> None:
    come_and_go(load, case, words, 10_000, 500)


def give_up(load: Bench, case: Case, num_calls: int, stay: float) -> None:
    case.injects(f"calls of 10,000 tokens whose clients give up after {stay:g} s", num_calls)
    body = completion("a b c", 10_000, Script(delay_ms=50))
    with common_pass(load, case, counted=LLM):
        before = load.counters()
        visits = [Visit(post(body), start=APART * n, stay=stay) for n in range(num_calls)]
        crowd = run(load.gateway.server, visits)
        asked_at = time.monotonic()
        answer = ask(load.gateway.server, completion("a b c", 5))
        case.exactly("the call behind them", answer.kind, "complete")
        case.at_most("its time", time.monotonic() - asked_at, 5.0)
        case.exactly("clients that gave up", len(crowd.outcomes), num_calls)
        wait_until(lambda: not load.gateway.num_running(), "that nothing runs")
        seen = since(load, before)
        case.exactly("requests that ran to their end", seen.completed, 1)
        case.exactly("cancelled, of the others", seen.cancelled, seen.started - 1)
        began = seen.cancelled == num_calls
        case.observes("cancelled", began, seen.cancelled, f"{num_calls}, if all could begin")


@pytest.mark.case("C6", "50 clients that give up")
def test_c6_quick(load: Bench, case: Case) -> None:
    give_up(load, case, 50, 0.5)


@pytest.mark.whole
@pytest.mark.case("C6", "200 clients that give up")
def test_c6(load: Bench, case: Case) -> None:
    give_up(load, case, 200, 0.5)
