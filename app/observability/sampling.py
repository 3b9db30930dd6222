"""Numbers that nobody reports: they are looked at, on each scrape and by each worker regularly."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from app.observability import process_metrics
from app.observability.metrics import event_loop_lagged, model_load, set_models

log = logging.getLogger(__name__)

LAG_INTERVAL = 0.05
# So that what another worker shows of this one is at most half a second old.
TURNS_PER_SAMPLE = 10


class Load(Protocol):
    """The places of a model."""

    num_inflight: int
    num_waiting: int


_loads: Mapping[str, Load] = {}


def follow(loads: Mapping[str, Load]) -> None:
    """Show the loads of these models, by name, from now on."""
    global _loads
    for name in _loads.keys() - loads.keys():
        model_load(name, 0, 0)
    _loads = dict(loads)
    set_models(_loads)
    sample()


def sample() -> None:
    """Look at the models' loads and at the process."""
    for name, load in _loads.items():
        model_load(name, load.num_inflight, load.num_waiting)
    process_metrics.measure()


def start() -> None:
    """Look regularly from now on, and measure by how much the event loop is late.

    For a worker whose threads are greenlets.
    """
    threading.Thread(target=_run, name="metrics", daemon=True).start()


def _run() -> None:
    for turn in itertools.count():
        asleep = time.monotonic()
        time.sleep(LAG_INTERVAL)
        event_loop_lagged(max(time.monotonic() - asleep - LAG_INTERVAL, 0.0))
        if turn % TURNS_PER_SAMPLE == 0:
            _sample_or_tell()


def _sample_or_tell() -> None:
    try:
        sample()
    except Exception:  # the numbers after these still count
        log.exception("looking at the server's own numbers failed")
