"""A real Triton that is traced itself goes on with the server's traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO, Environment
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.collector import Collector, collecting, told_to
from tests.live.entries import entries, only
from tests.live.fixtures import started
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.live.test_generation import COMPLETIONS, completion

SPAN = "00000000000000aa"
MODELS = ("demo-chat", "all-minilm-l6-v2")


class TracedTriton(TritonServer):
    """Triton that sends a span for each request."""

    def __init__(self, repositories: Sequence[Path], url: str, **more: Any) -> None:
        super().__init__(repositories, *free_ports(3), **more)
        self._url = url

    def _command(self, environment: Environment) -> list[str]:
        settings = ("mode=opentelemetry", "level=TIMESTAMPS", "rate=1")
        settings += (f"opentelemetry,url={self._url}/v1/traces",)
        # Milliseconds until a span is sent.
        settings += ("opentelemetry,bsp_schedule_delay=100",)
        options = [word for setting in settings for word in ("--trace-config", setting)]
        return [*super()._command(environment), *options]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def server(
    demo_environment: None, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """gunicorn with one worker in front of that Triton."""
    base = tmp_path_factory.mktemp("traced")
    traced = TracedTriton([DEMO / "repository"], collector.url, log_file=base / "triton")
    with started(traced) as triton:
        content = only(entries(triton.grpc_url, triton.http_url), MODELS)
        path = write_configuration(base / "models.json", content)
        with running("gunicorn", path, base / "log", **told_to(collector)) as found:
            yield found
        # Nobody waits for what it still has to do.
        triton.kill()


@pytest.mark.parametrize(
    ("number", "path", "body", "call"),
    [
        (1, COMPLETIONS, completion("Once"), "text_completion demo-chat"),
        (
            2,
            "/v1/embeddings",
            {"model": "all-minilm-l6-v2", "input": "a"},
            "embeddings all-minilm-l6-v2",
        ),
    ],
    ids=["gRPC", "HTTP"],
)
def test_its_spans_are_below_the_call(
    server: Server, collector: Collector, number: int, path: str, body: Any, call: str
) -> None:
    trace_id = f"{number:032x}"
    answer = server.post(path, body, traceparent=f"00-{trace_id}-{SPAN}-01")
    assert answer.status == 200
    collector.of(trace_id, "InferRequest")
    spans = collector.of(trace_id, f"POST {path}")
    assert spans["InferRequest"].parent_id == spans[call].span_id
    assert spans["InferRequest"].resource["service.name"] == "triton-inference-server"
    assert spans[f"POST {path}"].parent_id == SPAN
