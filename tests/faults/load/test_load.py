"""Many streams at once, and more calls than there are places for: cases C1 and C2."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.faults.bench.client import Body, Outcome, completion, kinds, percentile, streamed
from tests.faults.bench.common import Bench, Watch, common_pass, late_by
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.load.conftest import FEW, QUEUE_SECONDS
from tests.faults.load.crowd import Crowd, Visit, post, run
from tests.faults.load.footprint import Footprint
from tests.faults.record import Case
from tests.live.waiting import wait_until

LLM = ("llm",)
NUM_STREAMS, NUM_TOKENS, RAMP = 500, 30, 5.0
KIB_EACH = 200

WORKERS = 2
CALL_TOKENS = 10
CALL_SECONDS, LONG_SECONDS = 0.5, 2.0
CAPACITY = WORKERS * FEW / CALL_SECONDS
"""Calls per second of `llm-few`."""
# A call is answered within its wait in the queue and its run; what is more than this hangs.
PATIENCE = 60.0


def timed(case: Case, name: str, values: Sequence[float], bar: float, slack: float) -> None:
    """The 99th percentile, with the median beside it."""
    median = percentile(values, 0.5)
    case.at_most(f"p99 of {name} (p50 {median:.3g} s)", percentile(values, 0.99), bar, slack=slack)


@pytest.mark.whole
@pytest.mark.case("C1", "500 streams at once")
def test_c1(load: Bench, case: Case, words: Words) -> None:
    case.injects(f"{NUM_STREAMS} streams of {NUM_TOKENS} tokens, two a second, in {RAMP:g} s")
    prompts = [words.prompt(number) for number in range(NUM_STREAMS)]
    visits = [
        Visit(
            post(streamed(prompt, NUM_TOKENS, Script(delay_ms=500))), start=n / NUM_STREAMS * RAMP
        )
        for n, prompt in enumerate(prompts)
    ]
    with common_pass(load, case, counted=LLM) as watch:
        lags, footprint = load.gateway.lags(), Footprint(load.gateway)
        crowd = run(load.gateway.server, visits, watch=footprint)
        watch.saw(crowd.outcomes)
        case.exactly("streams", kinds(crowd.outcomes), {"complete": NUM_STREAMS})
        texts = [words.answer(prompt, NUM_TOKENS) for prompt in prompts]
        right = sum(o.text == text for o, text in zip(crowd.outcomes, texts, strict=True))
        case.exactly("right texts", right, NUM_STREAMS)
        each = footprint.peak * 1024 / NUM_STREAMS
        case.holds("memory per stream", each <= KIB_EACH, f"{each:.1f} KiB", f"≤ {KIB_EACH} KiB")
        starved = footprint.starved
        case.observes("both workers waited for a processor", starved < 1, f"{starved:.1f} s", "0 s")
        lag = late_by(load.gateway.lags() - lags, 1.0)
        case.observes("longest lag of an event loop", lag <= 0.2, f"≤ {lag:g} s", "≤ 0.2 s")
        timed(case, "the wait for the first token", crowd.first_waits, 2.0, 10)
        timed(case, "the time between tokens", crowd.gaps, 1.0, 10)
        timed(case, "/livez", crowd.probes, 0.1, 50)
    footprint.is_back(case)


def at_rate(load: Bench, rate: float, seconds: float) -> Crowd:
    """Calls that come evenly, whatever becomes of those before them."""
    num_calls = int(rate * seconds)
    visits = [Visit(post(few()), start=number / rate) for number in range(num_calls)]
    return run(load.gateway.server, visits, seconds=seconds + PATIENCE)


def few(seconds: float = CALL_SECONDS) -> Body:
    delay = int(seconds / CALL_TOKENS * 1000)
    return completion("a b c", CALL_TOKENS, Script(delay_ms=delay), "llm-few")


def statuses(outcomes: Sequence[Outcome]) -> Counter[int | None]:
    """How many were answered how; what hangs has None."""
    return Counter(each.status for each in outcomes)


def check_refusals(
    case: Case, watch: Watch, outcomes: Sequence[Outcome], *, must_be: bool = True
) -> None:
    """Whoever has no place is told so at once, and when to come again."""
    watch.saw(outcomes)
    counts = statuses(outcomes)
    case.holds("statuses", set(counts) <= {200, 429}, dict(counts), "200 and 429 alone")
    refused = [each for each in outcomes if each.status == 429]
    assert refused or not must_be, "nobody was refused, so this was no overload"
    if not refused:
        return
    codes = {each.code for each in refused}
    case.exactly("codes of the refused", codes, {"model_overloaded"})
    advised = [1 <= int(each.headers.get("retry-after", 0)) <= 120 for each in refused]
    case.exactly("refusals without Retry-After", advised.count(False), 0)
    own = [int(each.headers["openai-processing-ms"]) / 1000 for each in refused]
    late = percentile([max(seconds - QUEUE_SECONDS, 0.0) for seconds in own], 0.99)
    case.at_most("p99 of the server's time for these, waiting apart", late, 0.1, slack=30)
    seen = percentile([each.seconds for each in refused], 0.99)
    case.observes("as the client sees it", True, f"{seen:.3g} s", f"{QUEUE_SECONDS:g} s in line")


def overload(load: Bench, case: Case, seconds: float) -> None:
    """Twice what there are places for has nearly the output of once."""
    case.injects(f"{CAPACITY:g} calls a second for {seconds:g} s, then twice as many")
    with common_pass(load, case, counted=LLM) as watch:
        once = at_rate(load, CAPACITY, seconds)
        twice = at_rate(load, 2 * CAPACITY, seconds)
        watch.saw(once.outcomes)
        case.exactly("lost at once the rate", statuses(once.outcomes)[None], 0)
        # A busy machine may not bring that many calls in time.
        check_refusals(case, watch, twice.outcomes, must_be=case.is_whole)
        good, alone = (statuses(crowd.outcomes)[200] for crowd in (twice, once))
        share = good / alone
        name = "answers of those at once the rate"
        case.holds_if_whole(name, share >= 0.9, f"{share:.2f}", "≥ 0.9")
        timed(case, "/livez", twice.probes, 0.05, 50)
        wait_until(lambda: not load.gateway.num_running(), "that nothing runs")


def burst(load: Bench, case: Case, num_calls: int, cycles: int) -> None:
    """All at the same moment, again and again."""
    case.injects(f"{num_calls} calls at the same moment", cycles)
    # A busy machine needs seconds for so many; the first must not be over when the last come.
    visits = [Visit(post(few() if case.is_whole else few(LONG_SECONDS)))] * num_calls
    with common_pass(load, case, counted=LLM) as watch:
        server, outcomes, quiet = load.gateway.server, [], []
        for _ in range(cycles):
            outcomes += run(server, visits, seconds=PATIENCE).outcomes
            ended_at = time.monotonic()
            wait_until(lambda: not load.gateway.num_running(), "that nothing runs")
            quiet.append(time.monotonic() - ended_at)
        check_refusals(case, watch, outcomes)
        served = statuses(outcomes)[200]
        case.holds("answers", served >= cycles * FEW, served, f"≥ {cycles * FEW}")
        case.at_most("until the gauges are 0", max(quiet), 1.0)


@pytest.mark.case("C2", "twice the capacity for 2 s")
def test_c2_quick(load: Bench, case: Case) -> None:
    overload(load, case, 2)


@pytest.mark.whole
@pytest.mark.case("C2", "twice the capacity for 60 s")
def test_c2(load: Bench, case: Case) -> None:
    overload(load, case, 60)


@pytest.mark.case("C2", "100 calls at once, twice")
def test_c2_cycles_quick(load: Bench, case: Case) -> None:
    burst(load, case, 100, 2)


@pytest.mark.whole
@pytest.mark.case("C2", "100 calls at once, 100 times")
def test_c2_cycles(load: Bench, case: Case) -> None:
    burst(load, case, 100, 100)


@pytest.mark.whole
@pytest.mark.case("C2", "1,000 calls at once")
def test_c2_burst(load: Bench, case: Case) -> None:
    burst(load, case, 1000, 1)
