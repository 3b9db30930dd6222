"""Counters, gauges and histograms of this process, and the models that may be their labels.

Values of labels come from the configuration and from lists in the code, never from a request.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)

from app.observability.worker_files import SLOT

PREFIX = "openai_api_"
# A route or a model that is none of ours.
UNKNOWN = "-"
# Of what is kept ready; there may be more series.
MAX_CHILDREN = 4096

WORKER = os.environ.get(SLOT, "0")
if SLOT in os.environ:
    # By the worker's slot, not by its process id: files must not pile up.
    values.ValueClass = values.MultiProcessValue(lambda: WORKER)  # type: ignore[no-untyped-call]  # the library has no types here
# The files of several processes know no such series; one process alone should not differ.
disable_created_metrics()  # type: ignore[no-untyped-call]  # likewise

REGISTRY = CollectorRegistry()

_models: frozenset[str] = frozenset()


def counter(name: str, text: str, *labels: str) -> Counter:
    """A counter of all workers; the name is without PREFIX."""
    return Counter(PREFIX + name, text, labels, registry=REGISTRY)


def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
    """A histogram of all workers."""
    return Histogram(PREFIX + name, text, labels, registry=REGISTRY, buckets=buckets)


def gauge(
    name: str,
    text: str,
    *labels: str,
    of_workers: Literal["livesum", "livemax", "livemin"] = "livesum",
) -> Gauge:
    """A gauge of the living workers, by default their sum."""
    return Gauge(PREFIX + name, text, labels, registry=REGISTRY, multiprocess_mode=of_workers)


@functools.lru_cache(MAX_CHILDREN)
def child(metric: Counter | Gauge | Histogram, *labels: Any) -> Any:
    """`metric.labels`, which takes as long as counting."""
    return metric.labels(*labels)


def add_counted(of_histogram: Any, counts: Iterable[int], total: float) -> None:
    """Add what was counted elsewhere by a histogram's own edges; `total` is the sum of values.

    The library can only take single values, which would be one call for each token.
    """
    for bucket, count in zip(of_histogram._buckets, counts, strict=True):
        if count:
            bucket.inc(count)
    of_histogram._sum.inc(total)


def set_models(names: Iterable[str]) -> frozenset[str]:
    """The configured models: no others become labels."""
    global _models
    _models = frozenset(names)
    return _models


def model_label(model: str) -> str:
    """The model, UNKNOWN for one that is not configured."""
    return model if model in _models else UNKNOWN
