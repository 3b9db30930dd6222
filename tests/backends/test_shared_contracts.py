"""Whose reading of a contract counts for whom, where several Tritons have the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.backends.streamed_model import StreamedModel
from app.registry import LanguageModelSpec
from app.registry.specs import GenerationFacts
from app.triton.contract import ModelContract
from app.triton.errors import not_ready
from app.triton.replicas import Lease, Replicas, Sites
from tests.backends.encoders import LIMITS
from tests.live.waiting import LATE, wait_until

FACTS = GenerationFacts(start_id=1, end_id=2, max_len=64)
CONTRACT = ModelContract("python", 0, {}, {})


@dataclass(eq=False)
class Triton:
    """What a connection would be; one that is loading refuses when it `may_answer`."""

    address: Any
    is_loading: bool = False
    may_answer: threading.Event = field(default_factory=threading.Event)
    num_asked: int = 0

    def contract(self, *_: Any) -> ModelContract:
        self.num_asked += 1
        if self.is_loading:
            assert self.may_answer.wait(LATE)
            raise not_ready("llm")
        return CONTRACT


class Fleet:
    """A model in two Tritons, of which one is loading."""

    def __init__(self) -> None:
        spec = LanguageModelSpec(
            name="llm",
            urls=("127.0.0.1:1", "127.0.0.1:2"),
            folder=Path(),
            triton_model="llm",
            timeouts=LIMITS,
            facts=FACTS,
        )
        self.replicas: Replicas[Any] = Replicas("llm", spec.urls, Sites(Triton), lambda _: None)
        self.model = StreamedModel(spec, self.replicas)
        self.loading, self.healthy = (replica.connection for replica in self.replicas._current())
        self.loading.is_loading = True

    def read(self, lease: Lease[Any]) -> ModelContract:
        return self.model.contract_from(lease.connection)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    fleet = Fleet()
    yield fleet
    fleet.loading.may_answer.set()


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[Any]]]:
    """Calls something in a thread of its own."""
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


def test_a_healthy_triton_is_not_judged_by_what_another_says(
    fleet: Fleet, beside: Callable[..., Future[Any]]
) -> None:
    reading = beside(fleet.replicas.attempt, fleet.read)
    wait_until(lambda: fleet.loading.num_asked == 1, "the reading")
    other = beside(fleet.replicas.attempt, fleet.read)
    # The least busy is asked, and answers while the other is still waited for.
    wait_until(other.done, "the answer of the healthy one")
    assert other.result()[0] is CONTRACT
    fleet.loading.may_answer.set()
    assert reading.result(LATE)[0] is CONTRACT
    states = [replica.breaker.state for replica in fleet.replicas._current()]
    assert states == ["open", "closed"]


def test_who_asks_any_triton_does_not_share_the_refusal_of_one(
    fleet: Fleet, beside: Callable[..., Future[Any]]
) -> None:
    _, held = fleet.replicas.attempt(lambda lease: lease)
    assert held.connection is fleet.loading
    reading = beside(fleet.read, held)
    wait_until(lambda: fleet.loading.num_asked == 1, "the reading")
    others = [beside(lambda: fleet.model.contract) for _ in range(4)]
    wait_until(lambda: all(other.done() for other in others), "the answers of the healthy one")
    assert [other.result() for other in others] == [CONTRACT] * 4
    fleet.loading.may_answer.set()
    assert reading.exception(LATE) is not None
