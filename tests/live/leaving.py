"""Clients that go away before the end of a story, and what Triton counts meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from demo.counters import Counters
from tests.live.http import Server
from tests.live.waiting import LATE, wait_until

COMPLETIONS = "/v1/completions"
# ft-slow has 20 tokens a second and takes 95 s for all: who sees its end has waited for it.
STORY: Mapping[str, Any] = {
    "model": "ft-slow",
    "prompt": "Once upon a time",
    "max_tokens": 1900,
    "temperature": 0,
    "ignore_eos": True,
}
# Of one answer that ends soon after its client, however busy the machine is.
FEW_TOKENS = 20 * (1 + LATE)

ReadCounters = Callable[[str], Counters]
Leave = Callable[[Server, Mapping[str, Any], ReadCounters], None]


def num_running(counted: Counters) -> int:
    return counted.started - counted.completed - counted.cancelled - counted.failed


def at_rest(counters: ReadCounters, model: str) -> Counters:
    """What is counted once nothing runs that was asked before."""
    wait_until(lambda: num_running(counters(model)) == 0, f"the end of what {model} was asked")
    return counters(model)


@contextmanager
def cancelled(counters: ReadCounters, model: str, num_answers: int = 1) -> Iterator[None]:
    """What is asked within is cancelled soon, and nothing of it completed."""
    before = at_rest(counters, model)
    yield
    wait_until(lambda: counters(model).cancelled > before.cancelled, "the cancellation")
    after = at_rest(counters, model)
    assert after.completed == before.completed
    assert after.tokens - before.tokens < num_answers * FEW_TOKENS


def leave_stream(server: Server, body: Mapping[str, Any], _: ReadCounters) -> None:
    with server.stream(COMPLETIONS, body) as stream:
        next(stream.lines())


def leave_whole_answer(server: Server, body: Mapping[str, Any], counters: ReadCounters) -> None:
    before = counters(body["model"]).started
    connection = server.send(COMPLETIONS, body)
    wait_until(lambda: counters(body["model"]).started > before, "the start")
    connection.close()


LEAVING: Mapping[str, Leave] = {"streaming": leave_stream, "waiting": leave_whole_answer}
