"""The client's trace goes on, and Triton is told of it; of what is no trace nothing is."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.observability import tracing
from app.observability.log_fields import trace_ids
from tests.applications import (
    EMBEDDING,
    LLM,
)
from tests.live.collector import Collector, Received
from tests.live.waiting import wait_until
from tests.observability.traces import (
    COMPLETION,
    PARENT,
    ROOT,
    SPAN,
    TRACE,
    Build,
    post,
)
from tests.scripted_triton import (
    ScriptedHttpTriton,
    ScriptedTriton,
)


def test_the_clients_trace_goes_on(traced: FlaskClient, collector: Collector) -> None:
    post(traced, "/v1/completions", COMPLETION, traceparent=PARENT, tracestate="a=1,b@c=x")
    spans = collector.of(TRACE, ROOT)
    assert spans[ROOT].parent_id == SPAN
    assert spans[ROOT].kind == "SERVER"


ODD_PARENTS = [
    "",
    "x",
    PARENT.upper(),
    f"{PARENT}-01",
    f" {PARENT}",
    f"{PARENT}\x1f",
    f"01{PARENT[2:]}",
    f"ff{PARENT[2:]}",
    PARENT.replace(TRACE, "0" * 32),
    PARENT.replace(SPAN, "0" * 16),
    PARENT.replace("a", "ａ"),
    PARENT * 100,
    f"{PARENT},{PARENT}",
]


@pytest.mark.parametrize("given", ODD_PARENTS, ids=range(len(ODD_PARENTS)))
def test_what_is_no_trace_is_ignored(
    traced: FlaskClient, collector: Collector, triton: ScriptedTriton, given: str
) -> None:
    environ = {"HTTP_TRACEPARENT": given, "HTTP_TRACESTATE": "a=1"}
    traced.post("/v1/completions", json=COMPLETION, environ_overrides=environ).close()
    told = triton.metadata[0]["traceparent"]
    root = collector.of(told.split("-")[1], ROOT)[ROOT]
    assert root.parent_id == ""
    assert root.trace_id != TRACE


# Where a comma could be of a value and between two, each would double the time.
COMMAS = "a=" + ("," * 62 + "=") * 8 + "="
ODD = [COMMAS, "", "x", "a=" + "1" * 600, "a=\x7f", "=", "a=1,a=2", "é=1"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "state", [COMMAS[:505] + "==", "", "x", "a=" + "1" * 600, "a=\x7f", "=", "a=1,a=2", "é=1"]
)
def test_an_odd_state_does_not_stop_the_trace(
    traced: FlaskClient, collector: Collector, state: str
) -> None:
    environ = {"HTTP_TRACEPARENT": PARENT, "HTTP_TRACESTATE": state}
    traced.post("/v1/completions", json=COMPLETION, environ_overrides=environ).close()
    assert collector.of(TRACE, ROOT)[ROOT].parent_id == SPAN


def test_a_trace_of_its_own(traced: FlaskClient, collector: Collector) -> None:
    first = post(traced, "/v1/completions", COMPLETION)
    second = post(traced, "/v1/completions", COMPLETION)
    assert {first.status_code, second.status_code} == {200}
    ids = {span.trace_id for span in collected(collector, 2)}
    assert len(ids) == 2


def collected(collector: Collector, num_roots: int) -> list[Received]:
    """All spans, once so many requests are there."""

    def roots() -> list[Received]:
        return [span for span in list(collector.spans) if span.kind == "SERVER"]

    wait_until(lambda: len(roots()) >= num_roots, "the spans", 30)
    return roots()


# ---- what Triton is told


@pytest.mark.parametrize("grpc_client", ["sockets", "grpcio"])
def test_triton_gets_the_trace_by_grpc(
    build_traced: Build, collector: Collector, triton: ScriptedTriton, grpc_client: str
) -> None:
    traced = build_traced(GRPC_CLIENT=grpc_client)
    for _ in range(2):
        post(traced, "/v1/completions", COMPLETION, traceparent=PARENT, tracestate="secret=1")
    spans = collector.of(TRACE, ROOT)
    call = spans[f"text_completion {LLM}"]
    parents = [metadata["traceparent"] for metadata in triton.metadata]
    assert f"00-{TRACE}-{call.span_id}-01" in parents
    assert len(set(parents)) == 2
    assert all("tracestate" not in metadata for metadata in triton.metadata)


def test_triton_gets_the_trace_by_http(
    traced: FlaskClient, collector: Collector, http_triton: ScriptedHttpTriton
) -> None:
    post(traced, "/v1/embeddings", {"model": EMBEDDING, "input": "a"}, traceparent=PARENT)
    call = collector.of(TRACE, "POST /v1/embeddings")[f"embeddings {EMBEDDING}"]
    (headers,) = http_triton.headers
    assert headers.get_all("traceparent") == [f"00-{TRACE}-{call.span_id}-01"]
    assert "tracestate" not in headers


def test_a_trace_that_is_not_sampled_is_told_so(
    build_traced: Build,
    collector: Collector,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
) -> None:
    traced = build_traced({"OTEL_TRACES_SAMPLER": "always_off"})
    post(traced, "/v1/completions", COMPLETION, traceparent=PARENT)
    post(traced, "/v1/embeddings", {"model": EMBEDDING, "input": "a"}, traceparent=PARENT)
    parents = [triton.metadata[0]["traceparent"], http_triton.headers[0]["traceparent"]]
    for parent in parents:
        assert parent.startswith(f"00-{TRACE}-")
        assert parent.endswith("-00")
    tracing._tracing.end()  # type: ignore[union-attr]  # what is there is sent
    assert collector.num_messages == 0


def test_nothing_is_told_without_tracing(
    shared_client: FlaskClient, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    post(shared_client, "/v1/completions", COMPLETION, traceparent=PARENT)
    post(shared_client, "/v1/embeddings", {"model": EMBEDDING, "input": "a"}, traceparent=PARENT)
    assert "traceparent" not in triton.metadata[0]
    assert "traceparent" not in http_triton.headers[0]


def test_two_requests_of_one_id_keep_their_traces_apart(traced: FlaskClient) -> None:
    assert tracing._tracing is not None
    first, second = (tracing._tracing.begin("req-twice", "GET", "/health", {}) for _ in range(2))
    first.drop()
    assert trace_ids["req-twice"] == second.trace_id
    second.drop()
    assert "req-twice" not in trace_ids
