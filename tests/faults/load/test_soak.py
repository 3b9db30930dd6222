"""A long time under load and faults, and very many requests of all kinds: what is left behind.

`SOAK_MINUTES` says how long case C7 takes; 30 by default.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.bench.client import Outcome, completion, kinds, percentile, streamed
from tests.faults.bench.common import Bench, common_pass
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.load.crowd import LEFT, Crowd, Visit, post, run
from tests.faults.load.footprint import MIB, Footprint
from tests.faults.load.soak_faults import EARLY, FAULTS
from tests.faults.record import Case
from tests.live.waiting import wait_until

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
SEED = 1
MINUTE = 60.0
NUM_STREAMS, NUM_TOKENS = 100, 30
SPEAKING = Script(delay_ms=500)
# Of the soak, so that what is made once does not count as growth.
WARM_MINUTES = min(5.0, MINUTES / 3)
SLOPE = 1.0
"""MiB a minute."""
SAMPLE_SECONDS = 5.0
# What clients can see of a fault. A worker that dies cuts its connections.
ENDS = {"complete", "error", "frame", "cut"}


class Memory:
    """The resident memory of all workers over time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._begun_at = self._last_at = time.monotonic()
        self.samples: list[tuple[float, float]] = []

    def __call__(self) -> bool:
        """Take a sample if it is time to; never a reason to stop."""
        now = time.monotonic()
        if now - self._last_at >= SAMPLE_SECONDS and now - self._begun_at > WARM_MINUTES * MINUTE:
            self._last_at = now
            total = sum(usage.rss for usage in self._gateway.usage().values()) / MIB
            self.samples.append(((now - self._begun_at) / MINUTE, total))
        return False

    @property
    def slope(self) -> float:
        """MiB a minute of one worker, by least squares."""
        times, sizes = zip(*self.samples, strict=True)
        mean_time, mean_size = sum(times) / len(times), sum(sizes) / len(sizes)
        spread = sum((at - mean_time) ** 2 for at in times)
        moved = sum((at - mean_time) * (size - mean_size) for at, size in self.samples)
        return moved / spread / len(self._gateway.worker_pids)


def endless(words: Words, until: float) -> Iterator[Visit]:
    """Streams until that time, half of them through the proxy, by number."""
    number = 0
    while time.monotonic() < until:
        model = ("llm", "llm-proxied")[number % 2]
        body = streamed(words.prompt(number), NUM_TOKENS, SPEAKING, model)
        # As Retry-After says.
        yield Visit(post(body), pause=1.0)
        number += 1


def break_each_minute(load: Bench, begun_at: float) -> tuple[list[str], list[int]]:
    """Their names, and the workers that were killed."""
    chance, names, killed = random.Random(SEED), [], []
    for minute in range(int(MINUTES)):
        time.sleep(max(begun_at + (minute + 0.5) * MINUTE - time.monotonic(), 0.0))
        before = set(load.gateway.worker_pids)
        fault = chance.choice(EARLY if minute < WARM_MINUTES - 1 else FAULTS)
        fault(load)
        names.append(fault.__name__)
        killed += before - set(load.gateway.worker_pids)
    return names, killed


def check_texts(case: Case, words: Words, crowd: Crowd) -> None:
    """No word of another answer, and no end that looks complete and is not."""
    found = kinds(crowd.outcomes)
    case.holds("ends", set(found) <= ENDS, found, ", ".join(sorted(ENDS)))
    wrong = sum(not is_right(o, words, n) for n, o in enumerate(crowd.outcomes))
    case.exactly("texts that are not what was asked for", wrong, 0)
    share = found["complete"] / len(crowd.outcomes)
    case.holds("complete", share >= 0.3, f"{share:.2f} of {len(crowd.outcomes)}", "≥ 0.3")


def is_right(outcome: Outcome, words: Words, number: int) -> bool:
    answer = words.answer(words.prompt(number), NUM_TOKENS)
    if outcome.kind == "complete":
        return outcome.text == answer
    return answer.startswith(outcome.text.rstrip("\ufffd"))


@pytest.mark.whole
@pytest.mark.timeout(MINUTES * MINUTE + 300)
@pytest.mark.case("C7", f"{MINUTES:g} minutes of load with a fault each minute")
def test_c7(
    load: Bench, case: Case, words: Words, load_configuration: Path, tmp_path: Path
) -> None:
    gateway = Gateway(load_configuration, tmp_path / "log")
    with gateway.running(), ThreadPoolExecutor(1) as pool:
        own = replace(load, gateway=gateway)
        begun_at, memory, lost = time.monotonic(), Memory(gateway), list[int]()
        with common_pass(own, case, lost_workers=lost, counted=("llm", "llm-bad")) as watch:
            breaking = pool.submit(break_each_minute, own, begun_at)
            until = begun_at + MINUTES * MINUTE
            crowd = run(
                gateway.server,
                endless(words, until),
                num_clients=NUM_STREAMS,
                seconds=MINUTES * MINUTE + 60,
                watch=memory,
            )
            names, killed = breaking.result()
            lost += killed
            case.injects(f"{dict(Counter(names))} (seed {SEED})", len(names))
            watch.saw([each for each in crowd.outcomes if each.failure is None])
            check_texts(case, words, crowd)
            case.observes("p99 of /livez", True, f"{percentile(crowd.probes, 0.99):.3g} s", "-")
            case.at_most("growth of a worker's memory", memory.slope, SLOPE, "MiB/min", slack=1)


def mixture(words: Words, count: int) -> Iterator[Visit]:
    """Good requests and bad ones of all kinds, and clients that do not wait."""
    chance = random.Random(SEED)
    for number in range(count):
        prompt = words.prompt(number)
        good = [
            post(completion(prompt, 3)),
            post(streamed(prompt, 3)),
            post({"model": "embed", "input": prompt}, "/v1/embeddings"),
            post({"model": "rerank", "query": "a", "documents": [prompt]}, "/v1/rerank"),
        ]
        bad = [
            post({"model": f"none-{number}", "prompt": prompt}),
            post({**completion(prompt, 3), "temperature": "hot"}),
            post({**completion(prompt, 3), "stop": ["x" * 5000]}),
            post(completion(prompt * 3000, 3)),
            post(completion(prompt, 3), f"/v1/{number}"),
            post(completion(prompt, 3)).replace(b'{"model"', b'{"model'),
            b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n",
            b"BAD\x00LINE\r\n\r\n",
        ]
        stay = 0.05 if chance.random() < 0.1 else None
        yield Visit(chance.choice(good if chance.random() < 0.6 else bad), stay=stay)


@pytest.mark.whole
@pytest.mark.case("C7", "10,000 good and bad requests")
def test_many_requests(load: Bench, case: Case, words: Words) -> None:
    case.injects(f"good and bad requests (seed {SEED})", 10_000)
    server = load.gateway.server
    run(server, mixture(words, 1000), num_clients=20)
    wait_until(lambda: not load.gateway.num_running(), "that nothing runs", 30)
    with common_pass(load, case, counted=("llm",)) as watch:
        footprint = Footprint(load.gateway)
        crowd = run(server, mixture(words, 10_000), num_clients=20, seconds=280, watch=footprint)
        answered = [each for each in crowd.outcomes if each.failure is None]
        watch.saw(answered)
        found = Counter(each.status for each in answered)
        bad = {status for status in found if status is None or status >= 500}
        case.exactly("statuses of our own failures", bad, set())
        case.holds("statuses", {200, 400, 404} <= set(found), dict(found), "200, 400, 404, ...")
        broken = Counter(e.failure for e in crowd.outcomes if e.failure not in (None, LEFT))
        case.exactly("connections that broke", dict(broken), {})
        footprint.grown_at_most(case, 32)
        case.observes("memory of both at most", True, f"{footprint.peak:.1f} MiB", "-")
    footprint.is_back(case)
