"""The server with models that work, that are slow, full or away, under traffic, and Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.ports import LOOPBACK, free_ports
from demo.triton import TritonServer
from tests.applications import closed_port
from tests.live.entries import only
from tests.live.servers import write_configuration
from tests.live.services import Service, service
from tests.live.waiting import wait_until
from tests.prometheus.server import Prometheus, prometheus
from tests.prometheus.traffic import AWAY, NARROW, SERVED, SLOW, Traffic

PLENTY = 60.0


@dataclass(frozen=True)
class Watched:
    """The server, what was asked of it, and who reads its numbers."""

    service: Service
    traffic: Traffic
    prometheus: Prometheus


@pytest.fixture(scope="package")
def watched(
    entries: dict[str, Any],
    tritonserver: TritonServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    """Two workers that have answered, refused and failed, and a Prometheus that saw it."""
    folder = tmp_path_factory.mktemp("watched")
    chosen = only(entries, SERVED)
    (chat,) = (entry for entry in chosen["llm"] if entry["name"] == "demo-chat")
    away = f"{LOOPBACK}:{closed_port()}"
    chosen["llm"] += [
        {**chat, "name": NARROW, "triton_model": "ft-slow", "max_inflight": 1, "max_queue": 0},
        {**chat, "name": AWAY, "url": away, "timeouts": {"connect": 1}},
    ]
    path = write_configuration(folder / "models.json", chosen)
    (port,) = free_ports(1)
    edits = {
        "gateway:9100": f"{LOOPBACK}:{port}",
        "triton:8002": tritonserver.metrics_url.split("/")[2],
    }
    reading = tmp_path_factory.mktemp("prometheus")
    with (
        service(path, folder / "log", METRICS_BIND=f"{LOOPBACK}:{port}") as served,
        prometheus(reading, edits) as found,
    ):
        traffic = Traffic(served.server)
        # A rate needs two samples of a series that differ.
        for _ in range(2):
            traffic.make()
            _wait_for_the_last(found, traffic)
        yield Watched(served, traffic, found)


def _wait_for_the_last(found: Prometheus, traffic: Traffic) -> None:
    last = f'openai_api_cancelled_total{{model="{SLOW}"}}'
    wait_until(lambda: found.value(last) == traffic.num_abandoned, "the last sample", PLENTY)
