"""More streams than usual, and more calls than there are places for: cases C1 and C2."""

from __future__ import annotations

from tests.faults.load.crowd import Visit, post, run
from tests.faults.bench.client import kinds, percentile, streamed
from tests.faults.bench.common import Bench, common_pass, late_by
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import Case
import pytest

@pytest.mark.parametrize("count", [100, 500])
@pytest.mark.case("C1", "many streams")
def test_c1(load_bench: Bench, case: Case, words: Words, count: int) -> None:
    prompts = [words.prompt(number) for number in range(count)]
    visits = [Visit(post(streamed(p, 30, Script(delay_ms=500))), start=n / count * 2) for n, p in enumerate(prompts)]
    lags = load_bench.gateway.lags()
    peak = []
    u0 = load_bench.gateway.usage()
    crowd = run(load_bench.gateway.server, visits, watch=lambda: peak.append(sum(u.rss for u in load_bench.gateway.usage().values())))
    print(count, kinds(crowd.outcomes), [o.failure or o.code for o in crowd.outcomes if o.kind != "complete"][:5])
    print("right", sum(o.text == words.answer(p, 30) for o, p in zip(crowd.outcomes, prompts)))
    for name, v in (("ttft", crowd.first_waits), ("gaps", crowd.gaps), ("livez", crowd.probes)):
        if v: print(name, len(v), *(f"{percentile(v, q):.3f}" for q in (0.5, 0.95, 0.99, 1)))
    print("secs", max(o.seconds for o in crowd.outcomes))
    d = load_bench.gateway.lags() - lags
    print("lag", late_by(d, .99), late_by(d, 1.0), sorted(d.items()))
    print("rss", sum(u.rss for u in u0.values())/2**20, max(peak) / 2**20)
