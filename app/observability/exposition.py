"""The numbers as text: https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.observability.instruments import REGISTRY
from app.observability.vllm_names import with_vllm_names
from app.observability.worker_files import FOLDER

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def is_in_files() -> bool:
    """Whether the numbers are those of gunicorn's workers, in files, and not this process's own."""
    return FOLDER in os.environ


def metrics_text(has_vllm_names: bool = True) -> bytes:
    """All numbers in text format 0.0.4, under gunicorn those of all workers.

    It takes some 10 µs for each series and worker. If it `is_in_files` it takes no lock that others
    use and may run in a native thread; else it takes those of the numbers.
    """
    families = _families()
    return generate_latest(_Families(with_vllm_names(families) if has_vllm_names else families))


def _families() -> Iterable[Metric]:
    if not is_in_files():
        return REGISTRY.collect()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return registry.collect()


class _Families:
    """What `generate_latest` asks."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
