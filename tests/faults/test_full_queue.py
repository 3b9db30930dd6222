"""Triton's own queue is full, or a request waits in it for too long: case A10."""

from __future__ import annotations

import pytest

from tests.faults.bench.client import COMPLETIONS, Body, ask_all, completion
from tests.faults.bench.common import Bench, common_pass
from tests.faults.bench.repository import SLOW_MS, WAIT_MS
from tests.faults.record import Case

NUM_CALLS = 50
LANGUAGE: tuple[str, Body] = (COMPLETIONS, completion("a", 2, model="slowq"))
EMBEDDING: tuple[str, Body] = ("/v1/embeddings", {"model": "slowq-embed", "input": "a"})


@pytest.mark.parametrize(("path", "body"), [LANGUAGE, EMBEDDING], ids=["language", "embedding"])
@pytest.mark.case("A10", "50 calls meet a queue of two")
def test_a10(bench: Bench, case: Case, path: str, body: Body) -> None:
    model = body["model"]
    case.title += f": {model}"
    case.injects(f"a model that takes {SLOW_MS} ms, and a queue of two that waits {WAIT_MS} ms", 50)
    with common_pass(bench, case, counted=(model,)) as watch:
        before = bench.counters(model).started
        outcomes = ask_all(bench.gateway.server, [body] * NUM_CALLS, path)
        watch.saw(outcomes)
        counts = dict.fromkeys((200, 429, 504), 0)
        for outcome in outcomes:
            counts[outcome.status or 0] = counts.get(outcome.status or 0, 0) + 1
        case.holds("statuses", set(counts) == {200, 429, 504}, counts, "200, 429 and 504")
        case.holds("answers", 2 <= counts[200] <= 4, counts[200], "2 or 3, 4 if one is prefetched")
        executed = bench.counters(model).started - before
        case.exactly("requests that the model ran", executed, counts[200])
        refused = [each for each in outcomes if each.status == 429]
        case.exactly("refusals' codes", {each.code for each in refused}, {"model_overloaded"})
        advised = [1 <= int(each.headers.get("retry-after", 0)) <= 120 for each in refused]
        case.exactly("refusals without Retry-After", advised.count(False), 0)
