"""How evenly many workers, each of which counts for itself, share out requests among Tritons."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import Any

from app.triton.replicas import Replicas, Sites

NUM_TRITONS = 4
# Requests that one after the other begin; what they measure is not of the first of them.
NUM_REQUESTS = 12_000
WARM_UP = 2_000


def busiest(num_workers: int, at_once: int, seed: int = 1) -> float:
    """How much more than its share the busiest Triton has, on average: 1.0 is an even balance.

    Requests come at random times to random workers, `at_once` run on average, and each takes a
    random (exponential) time.
    """
    numbers = random.Random(seed)
    workers = [_worker() for _ in range(num_workers)]
    num_open: dict[Any, int] = {}
    ends: list[tuple[float, int, Any]] = []
    found = []
    for number, now in enumerate(_arrivals(numbers, at_once)):
        while ends and ends[0][0] <= now:
            lease = heapq.heappop(ends)[2]
            num_open[lease.replica.address] -= 1
            lease.close()
        _, lease = numbers.choice(workers).attempt(lambda lease: lease.answered())
        place = lease.replica.address
        num_open[place] = num_open.get(place, 0) + 1
        heapq.heappush(ends, (now + numbers.expovariate(1.0), number, lease))
        if number >= WARM_UP:
            found.append(max(num_open.values()) * NUM_TRITONS / sum(num_open.values()))
    return sum(found) / len(found)


class _Connection:
    """To nothing."""


def _worker() -> Replicas[_Connection]:
    urls = [f"10.0.0.{number}:8001" for number in range(1, NUM_TRITONS + 1)]
    return Replicas("model", urls, Sites(lambda address: _Connection()), lambda connection: True)


def _arrivals(numbers: random.Random, at_once: int) -> Iterator[float]:
    now = 0.0
    for _ in range(NUM_REQUESTS):
        now += numbers.expovariate(at_once)
        yield now
