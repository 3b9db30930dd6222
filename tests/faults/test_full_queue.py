"""Triton's own queue is full, or a request waits in it for too long: case A10."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.ports import free_ports
from demo.triton import TritonServer
from tests.faults.bench.client import COMPLETIONS, Body, Outcome, Streams, completion
from tests.faults.bench.common import READY_SECONDS, Bench, common_pass, until_well
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import QUEUED_MODELS, WAIT_MS, entries, gate, write_models
from tests.faults.record import Case
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until

NUM_CALLS, NUM_QUEUED = 50, 2
LANGUAGE: tuple[str, Body] = (COMPLETIONS, completion("a", 2, model="slowq"))
EMBEDDING: tuple[str, Body] = ("/v1/embeddings", {"model": "slowq-embed", "input": "a"})


@pytest.fixture(scope="module")
def queued_models(demo_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository."""
    return write_models(tmp_path_factory.mktemp("queued-models"), QUEUED_MODELS)


@pytest.fixture(scope="module")
def bench(
    queued_models: Path,
    proxies: tuple[FaultProxy, FaultProxy],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    """With the models that have a queue; nothing goes through the proxies."""
    folder = tmp_path_factory.mktemp("queued")
    triton = TritonServer([queued_models], *free_ports(3), log_file=folder / "triton")
    content = entries(triton.grpc_url, triton.http_url, QUEUED_MODELS)
    path = write_configuration(folder / "models.json", dict(content))
    try:
        triton.start()
        with Gateway(path, folder / "log").running() as gateway:
            triton.wait_until_ready(READY_SECONDS)
            assert until_well(gateway.server, time.monotonic()) < math.inf
            yield Bench(triton, gateway, *proxies)
    finally:
        triton.stop()


@contextmanager
def held(path: Path) -> Iterator[None]:
    path.touch()
    try:
        yield
    finally:
        path.unlink()


def statuses(outcomes: list[Outcome]) -> dict[int, int]:
    found = [outcome.status or 0 for outcome in outcomes]
    return {status: found.count(status) for status in sorted(set(found))}


@pytest.mark.parametrize(("path", "body"), [LANGUAGE, EMBEDDING], ids=["language", "embedding"])
@pytest.mark.case("A10", "50 calls meet a queue of two")
def test_a10(bench: Bench, queued_models: Path, case: Case, path: str, body: Body) -> None:
    model = body["model"]
    case.title += f": {model}"
    case.injects(f"a model that is held up, and a queue of two that waits {WAIT_MS} ms", NUM_CALLS)
    with common_pass(bench, case, counted=(model,)) as watch:
        before = bench.counters(model).started
        with held(gate(queued_models, model)):
            calls = Streams(bench.gateway.server, [body] * NUM_CALLS, path)
            # One runs, and Triton may have one more ready to run: these wait for the gate only.
            wait_until(lambda: sum(not each.ended_at for each in calls.outcomes) <= 2, "refusals")
            time.sleep(2 * WAIT_MS / 1000)
        outcomes = calls.join()
        watch.saw(outcomes)
        counts = statuses(outcomes)
        case.exactly("statuses", set(counts), {200, 429, 504})
        case.holds("answers", 1 <= counts[200] <= 2, counts[200], "1, 2 if one is prefetched")
        # More where calls arrive so slowly that the first have waited their time meanwhile.
        had_places = counts[200] + counts[504]
        case.holds(
            "calls that ran or waited", had_places > NUM_QUEUED, had_places, f"> {NUM_QUEUED}"
        )
        waits = [each.seconds for each in outcomes if each.status == 504]
        shortest = 1000 * min(waits)
        case.holds(
            "shortest wait in the queue",
            shortest >= WAIT_MS,
            f"{shortest:.0f} ms",
            f"≥ {WAIT_MS} ms",
        )
        executed = bench.counters(model).started - before
        case.exactly("requests that the model ran", executed, counts[200])
        refused = [each for each in outcomes if each.status == 429]
        case.exactly("refusals' codes", {each.code for each in refused}, {"model_overloaded"})
        advised = [1 <= int(each.headers.get("retry-after", 0)) <= 120 for each in refused]
        case.exactly("refusals without Retry-After", advised.count(False), 0)
