"""The numbers of two workers that serve the real Triton, on an address of their own."""

from __future__ import annotations

import http.client
import os
import random
import signal
import string
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from tests.live.http import Server
from tests.live.servers import write_configuration
from tests.live.services import Service, service
from tests.live.waiting import wait_until
from tests.observability.samples import Samples

PROMPT = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 5}
# 45 s, which nobody waits for.
LONG = {**PROMPT, "model": "ft-slow", "max_tokens": 900, "repetition_penalty": 1.3}
NUM_CALLS = 40
NUM_NAMES = 150
FILES_PER_WORKER = 5


@dataclass(frozen=True)
class Served:
    """The service, the address of its metrics, and its folder for temporary files."""

    service: Service
    metrics: Server
    temporary: Path

    @property
    def server(self) -> Server:
        return self.service.server

    def read(self) -> Samples:
        return read(self.metrics)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.temporary.rglob("*.db"))


@pytest.fixture(scope="module")
def served(entries: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("metrics")
    temporary = base / "tmp"
    temporary.mkdir()
    models = [entry for entry in entries["llm"] if entry["name"] in (PROMPT["model"], "ft-slow")]
    configuration = write_configuration(base / "models.json", {"llm": models})
    (port,) = free_ports(1)
    environment = {"METRICS_BIND": f"127.0.0.1:{port}", "TMPDIR": str(temporary)}
    with service(configuration, base / "log", **environment) as found:
        yield Served(found, Server("127.0.0.1", port, base / "log", found.process.pid), temporary)
    assert list(temporary.iterdir()) == [], "the service leaves its folder behind"


def read(metrics: Server) -> Samples:
    answer = metrics.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Samples(answer.body.decode())


def workers(samples: Samples) -> set[str]:
    return {
        dict(labels)["worker"]
        for name, labels in samples.values
        if name == "process_resident_memory_bytes"
    }


def test_only_the_metrics_and_the_probes_are_at_their_address(
    served: Served,
) -> None:
    server, metrics = served.server, served.metrics
    assert server.get("/metrics").status == 404
    assert server.request("GET", "/metrics", headers={"Host": f"x:{metrics.port}"}).status == 404
    assert [metrics.get(path).status for path in ("/livez", "/readyz")] == [200, 200]
    assert metrics.request("POST", "/livez").status == 404
    for path in ("/", "/health", "/v1/models", "/metrics/", "//metrics"):
        assert metrics.get(path).status == 404
    assert metrics.post("/v1/completions", PROMPT).status == 404
    assert metrics.request("POST", "/metrics").status == 404
    with closing(http.client.HTTPConnection(metrics.host, metrics.port, timeout=60)) as connection:
        for method in ("HEAD", "GET"):
            connection.request(method, "/metrics")
            response = connection.getresponse()
            assert response.status == 200
            assert bool(response.read()) == (method == "GET")


def test_what_both_workers_count_adds_up(served: Served) -> None:
    server, metrics = served.server, served.metrics
    before = read(metrics)
    usages = [server.post("/v1/completions", PROMPT).json()["usage"] for _ in range(NUM_CALLS)]
    labels = {"route": "/v1/completions", "model": "demo-chat", "status": "200"}
    expected = before.value("requests_total", **labels) + NUM_CALLS
    # A request is counted once its answer is sent.
    wait_until(lambda: read(metrics).value("requests_total", **labels) >= expected, "the last")
    after = read(metrics)
    assert after.value("requests_total", **labels) == expected
    for name in ("prompt_tokens", "completion_tokens"):
        counted = [each.value(f"{name}_total", model="demo-chat") for each in (before, after)]
        assert counted[1] - counted[0] == sum(usage[name] for usage in usages)
    assert after.value("time_to_first_token_seconds_count", model="demo-chat") >= NUM_CALLS
    wait_until(lambda: workers(read(metrics)) == {"0", "1"}, "the figures of both workers")
    assert read(metrics).value("event_loop_lag_seconds_count") > 0


def test_abandoned_streams_leave_nothing_but_counts(served: Served) -> None:
    server, metrics = served.server, served.metrics
    before = read(metrics)
    streams = [server.stream("/v1/completions", LONG) for _ in range(8)]
    opened = [stream.__enter__() for stream in streams]
    for stream in opened:
        next(stream.lines())
    wait_until(lambda: read(metrics).value("open_requests") == 8, "the open streams")
    wait_until(lambda: read(metrics).value("requests_running", model="ft-slow") > 0, "the running")
    for stream in opened:
        stream.close()
    wait_until(lambda: read(metrics).value("open_requests") == 0, "their end")
    for gauge in ("requests_running", "requests_waiting"):
        wait_until(lambda: read(metrics).total(gauge) == 0, gauge)  # noqa: B023  # called at once
    expected = 8 + before.value("cancelled_total", model="ft-slow")
    wait_until(
        lambda: read(metrics).value("cancelled_total", model="ft-slow") >= expected, "the counts"
    )
    after = read(metrics)
    assert after.value("cancelled_total", model="ft-slow") == expected
    assert after.value("completion_tokens_total", model="ft-slow") > before.value(
        "completion_tokens_total", model="ft-slow"
    )


def test_no_name_that_a_client_makes_up_becomes_a_label(served: Served) -> None:
    server, metrics = served.server, served.metrics
    numbers = random.Random(0)

    def try_names() -> None:
        name = "".join(numbers.choices(string.ascii_letters, k=12))
        server.post("/v1/completions", {**PROMPT, "model": name})
        server.get(f"/{name}")

    def tried(count: int) -> Samples:
        """The numbers once all is counted, which comes after the last answer."""
        expected = read(metrics).total("requests_total") + 2 * count
        for _ in range(count):
            try_names()
        wait_until(lambda: read(metrics).total("requests_total") >= expected, "the last")
        return read(metrics)

    before, after = tried(20), tried(NUM_NAMES)
    expected = before.total("requests_total") + 2 * NUM_NAMES
    assert after.labels("model") == before.labels("model")
    assert after.labels("route") == before.labels("route")
    assert after.total("requests_total") == expected


def test_a_killed_worker_leaves_its_counts_and_takes_its_gauges(
    served: Served,
) -> None:
    server, metrics = served.server, served.metrics
    # That of the Tritons' readiness comes with the first look at them.
    wait_until(lambda: len(served.files()) == 2 * FILES_PER_WORKER, "all files")
    files = served.files()
    before = read(metrics)
    with server.stream("/v1/completions", LONG) as stream:
        next(stream.lines())
        wait_until(lambda: read(metrics).value("open_requests") == 1, "the open stream")
        old = served.service.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(served.service.workers() - old) == 2, "new workers")
    wait_until(lambda: is_answering(server), "their answer")
    wait_until(lambda: read(metrics).value("open_requests") == 0, "the gauge")
    after = read(metrics)
    for series, value in before.values.items():
        if series[0].startswith("openai_api_") and series[0].endswith("_total"):
            assert after.values[series] >= value
    wait_until(lambda: workers(read(metrics)) == {"0", "1"}, "the figures of both workers")
    wait_until(lambda: served.files() == files, "the same files")


def is_answering(server: Server) -> bool:
    try:
        return server.get("/health").status == 200
    except OSError:
        return False
