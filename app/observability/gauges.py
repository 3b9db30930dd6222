"""Numbers that nobody reports: they are looked at, on each scrape and by each worker regularly."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from app.observability import process_metrics
from app.observability.metrics import (
    backends_asked,
    connections,
    event_loop_lagged,
    model_limits,
    model_load,
    set_models,
)
from app.observability.request_metrics import count_running

log = logging.getLogger(__name__)

LAG_INTERVAL = 0.05
# So that what another worker shows of this one is at most half a second old, of tokens a second.
TURNS_PER_LOOK = 10
TURNS_PER_COUNT = 20


class Load(Protocol):
    """The places of a model."""

    num_inflight: int
    num_waiting: int
    max_inflight: int
    max_queue: int


class Worker(Protocol):
    """What accepts this process's connections."""

    worker_connections: int

    @property
    def num_connections(self) -> int: ...


_loads: Mapping[str, Load] = {}
_worker: Worker | None = None


def follow(loads: Mapping[str, Load]) -> None:
    """Show the loads of these models, by name, from now on."""
    global _loads
    for name in _loads.keys() - loads.keys():
        model_load(name, 0, 0)
        model_limits(name, 0, 0)
        backends_asked(name, 0, 0)
    _loads = dict(loads)
    for name, load in _loads.items():
        model_limits(name, load.max_inflight, load.max_queue)
    set_models(_loads)
    sample()


def sample() -> None:
    """Look at the models' loads, at the process, and at what requests have used."""
    _look()
    count_running()


def start(worker: Worker | None = None) -> None:
    """Look regularly from now on, and measure by how much the event loop is late.

    For a process whose threads are greenlets; `worker` is what accepts its connections.
    """
    global _worker
    _worker = worker
    threading.Thread(target=_run, name="metrics", daemon=True).start()


def _look() -> None:
    for name, load in _loads.items():
        model_load(name, load.num_inflight, load.num_waiting)
    if _worker is not None:
        connections(_worker.num_connections, _worker.worker_connections)
    process_metrics.measure()


def _run() -> None:
    for turn in itertools.count():
        asleep = time.monotonic()
        time.sleep(LAG_INTERVAL)
        event_loop_lagged(max(time.monotonic() - asleep - LAG_INTERVAL, 0.0))
        if turn % TURNS_PER_COUNT == 0:
            _attempt(sample)
        elif turn % TURNS_PER_LOOK == 0:
            _attempt(_look)


def _attempt(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:  # the numbers after these still count
        log.exception("looking at the server's own numbers failed")
