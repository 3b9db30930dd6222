"""What must hold in every case, whatever it breaks.

    with common_pass(bench, case) as watch:
        ...  # break something, look at what clients get
        watch.fault_is_over()      # right when the cause is gone: the clock starts
        ...

The workers are the same, nobody wrote a traceback, no answer was HTML; within 2 s of the fault's
end a good call succeeds, no request runs any more in the gateway, and none in the models.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from demo.counters import Counters, read_counters
from demo.triton import TritonServer
from tests.faults.bench.client import Body, Outcome, Streams, ask, ask_all, completion, kinds
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.processes import has_stub
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import model_names, soon
from tests.faults.record import SLACK, Case
from tests.live.http import Server
from tests.live.waiting import LATE, wait_until

RECOVERY_SECONDS = 2.0
PATIENCE = RECOVERY_SECONDS * SLACK + LATE
"""Seconds after which nobody waits for the recovery any more."""
READY_SECONDS = 120.0
NUM_GOOD = 10
NUM_TRIES = 5
"""Of what a machine that stands still for seconds may spoil."""
LAG_SECONDS = 0.05
GOOD_CALL = completion("is it well", 3)
COUNTED = ("llm", "llm-bad", "text-bad")
LANGUAGE = (*COUNTED, *map(soon, COUNTED), "llm-proxied")
EMBEDDING = ("embed", "embed-bad", soon("embed-bad"), "embed-proxied")


@dataclass(frozen=True)
class Bench:
    """A Triton with the bench's models and the gateway in front of it.

    The proxies stand before `llm-proxied` and `embed-proxied` only.
    """

    triton: TritonServer
    gateway: Gateway
    grpc_proxy: FaultProxy
    http_proxy: FaultProxy

    def counters(self, model: str = "llm") -> Counters:
        """What the model itself has counted since Triton started."""
        return read_counters(self.triton.metrics_url, model)

    def restart_triton(self) -> None:
        """Start it again after it was killed or stopped; returns when it is ready."""
        self.triton.start()
        self.triton.wait_until_ready(READY_SECONDS)

    def recover(self) -> None:
        """Triton runs with all its stubs, and the gateway knows it."""
        for proxy in (self.grpc_proxy, self.http_proxy):
            proxy.heal()
        if not self._is_triton_whole():
            self.triton.stop()
            self.restart_triton()
        wait_until(self._is_well, "a good answer from every model", READY_SECONDS)

    def _is_triton_whole(self) -> bool:
        names = model_names(self.triton.repositories[0])
        return self.triton.is_ready() and all(has_stub(self.triton.pid, name) for name in names)

    def _ask(self, model: str) -> Outcome:
        return ask(self.gateway.server, completion("is it well", 2, model=model))

    def _is_well(self) -> bool:
        server = self.gateway.server
        embedded = [
            server.post("/v1/embeddings", {"model": model, "input": "a"}).status
            for model in EMBEDDING
        ]
        answers = [self._ask(model).kind for model in LANGUAGE]
        # Each worker finds out for itself, by a request that is sent to it.
        is_trusted = not self.gateway.left_alone() & {*LANGUAGE}
        return set(answers) == {"complete"} and set(embedded) == {200} and is_trusted

    def num_running(self, model: str) -> int:
        """Requests that the model has started and that have not ended."""
        found = self.counters(model)
        return found.started - found.completed - found.cancelled - found.failed


class Watch:
    """Keeps the moment when the fault was over, and the outcomes to look at."""

    def __init__(self) -> None:
        self.over_at: float | None = None
        self._outcomes: list[Outcome] = []

    def fault_is_over(self) -> None:
        """The cause is gone now."""
        self.over_at = time.monotonic()

    def saw(self, outcomes: Sequence[Outcome]) -> None:
        """Answers that are looked at for HTML and for silent ends."""
        self._outcomes += outcomes

    @property
    def num_html(self) -> int:
        """Answers that are a page."""
        return sum(is_html(each) for each in self._outcomes)

    @property
    def num_silent(self) -> int:
        """Streams that ended as if they were complete."""
        return sum(each.kind in ("silent", "odd") for each in self._outcomes)


def is_html(outcome: Outcome) -> bool:
    """Whether somebody answered with a page, as web servers do by themselves."""
    return b"<html" in outcome.body[:1000].lower() or "html" in outcome.headers.get(
        "content-type", ""
    )


@contextmanager
def common_pass(
    bench: Bench,
    case: Case,
    *,
    lost_workers: Collection[int] = (),
    counted: Sequence[str] = COUNTED,
) -> Iterator[Watch]:
    """`lost_workers` are those that the case kills; `counted` the models that must come to rest."""
    gateway = bench.gateway
    workers, offset = gateway.worker_pids, len(gateway.server.log_text())
    watch, lags = Watch(), gateway.lags()
    yield watch
    over_at = watch.over_at or time.monotonic()
    case.at_most("a good call again", until_well(gateway.server, over_at), RECOVERY_SECONDS)
    case.at_most("nothing runs any more", _until_quiet(bench, counted, over_at), RECOVERY_SECONDS)
    lag = late_by(gateway.lags() - lags, 0.99)
    case.observes("p99 of the event loops' lag", lag <= LAG_SECONDS, f"≤ {lag:g} s", "≤ 0.05 s")
    kept = [pid for pid in gateway.worker_pids if pid in workers]
    case.exactly("workers lost", len(workers) - len(kept), len(lost_workers))
    case.exactly("tracebacks", gateway.log_since(offset).count("Traceback"), 0)
    case.exactly("answers in HTML", watch.num_html, 0)
    case.exactly("silent ends", watch.num_silent, 0)


def late_by(lags: Counter[float], share: float) -> float:
    """Seconds within which that share of an event loop's timers came; a bound of a bucket."""
    bounds = (bound for bound in sorted(lags) if lags[bound] >= share * lags[math.inf])
    return next(bounds, 0.0)


def until_well(server: Server, since: float, call: Body = GOOD_CALL) -> float:
    """Seconds until all workers answer a good call, infinite if they do not.

    New connections meet any of the workers, so it takes `NUM_GOOD` answers in a row.
    """
    well_at, num_good = math.inf, 0
    while num_good < NUM_GOOD and time.monotonic() - since < PATIENCE:
        if ask(server, call).kind == "complete":
            well_at = min(well_at, time.monotonic())
            num_good += 1
        else:
            well_at, num_good = math.inf, 0
            time.sleep(0.05)
    return well_at - since


def speaking(server: Server, bodies: Sequence[Body]) -> Streams:
    """Streams that all speak, of models with short limits.

    A busy machine may let a limit pass before their first words; then they are asked anew.
    """
    for _ in range(NUM_TRIES):
        streams = Streams(server, bodies)
        streams.wait_for(lambda each: each.num_words > 0 or each.ended_at > 0, "first words", 60)
        if all(each.num_words for each in streams.outcomes):
            return streams
        streams.leave()
        streams.join()
        # Each of them may be left alone now.
        for body in bodies:
            until_well(server, time.monotonic(), {**body, "max_tokens": 1, "stream": False})
    raise AssertionError(f"not all streams have spoken, {NUM_TRIES} times")


def answered(server: Server, bodies: Sequence[Body]) -> list[Outcome]:
    """All at the same time, again if a busy machine lets one of their short limits pass."""
    for _ in range(NUM_TRIES):
        outcomes = ask_all(server, bodies)
        if kinds(outcomes) == {"complete": len(bodies)}:
            break
    return outcomes


def _until_quiet(bench: Bench, counted: Sequence[str], since: float) -> float:
    """Seconds until neither the gateway nor a model has anything to do, else infinite."""
    while time.monotonic() - since < PATIENCE:
        if not bench.gateway.num_running() and not any(map(bench.num_running, counted)):
            return time.monotonic() - since
        time.sleep(0.05)
    return math.inf
