"""What is told to OpenTelemetry of a request."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.applications import (
    EMBEDDING,
    LLM,
    RERANKER,
)
from tests.live.collector import Collector
from tests.observability.traces import (
    COMPLETION,
    PARENT,
    ROOT,
    TRACE,
    Build,
    post,
)
from tests.scripted_triton import (
    Generated,
    Reply,
    ScriptedHttpTriton,
    ScriptedTriton,
    encoder_of_scores,
    error_message,
    say,
    score_by_length,
)

MESSAGES = [{"role": "user", "content": "a"}]


def test_a_chat(traced: FlaskClient, collector: Collector) -> None:
    body = {
        "model": LLM,
        "messages": MESSAGES,
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.25,
    }
    post(traced, "/v1/chat/completions", body, traceparent=PARENT)
    spans = collector.of(TRACE, "POST /v1/chat/completions")
    root, call = spans["POST /v1/chat/completions"], spans[f"chat {LLM}"]
    below = {"parse", "render template", "tokenize", "wait for a place", f"chat {LLM}"}
    assert below == spans.keys() - {root.name}
    for name in below:
        assert spans[name].parent_id == root.span_id
        assert root.start <= spans[name].start <= spans[name].end <= root.end
        assert spans[name].kind == ("CLIENT" if name == call.name else "INTERNAL")
    assert (
        call.attributes.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "triton",
            "gen_ai.request.model": LLM,
            "gen_ai.response.model": LLM,
            "gen_ai.request.max_tokens": 5,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.top_p": 0.25,
            "gen_ai.request.stream": False,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.response.finish_reasons": ["stop"],
            "server.address": "127.0.0.1",
        }.items()
    )
    assert call.attributes["gen_ai.usage.input_tokens"] > 0
    assert list(call.events) == ["sent", "first token"]
    assert call.start <= call.events["sent"] <= call.events["first token"] <= call.end
    assert root.status == call.status == "UNSET"
    assert (
        root.attributes.items()
        >= {
            "http.request.method": "POST",
            "http.route": "/v1/chat/completions",
            "url.path": "/v1/chat/completions",
            "url.scheme": "http",
            "http.response.status_code": 200,
        }.items()
    )


def test_a_rerank(
    traced: FlaskClient, collector: Collector, http_triton: ScriptedHttpTriton
) -> None:
    http_triton.config, http_triton.output = encoder_of_scores(), "logits"
    http_triton.infer = score_by_length
    body = {"model": RERANKER, "query": "a", "documents": ["a", "b"]}
    post(traced, "/v1/rerank", body, traceparent=PARENT)
    call = collector.of(TRACE, "POST /v1/rerank")[f"rerank {RERANKER}"]
    assert call.attributes["gen_ai.operation.name"] == "rerank"
    assert call.attributes["gen_ai.usage.input_tokens"] > 0


def test_a_seed_that_no_message_can_hold(traced: FlaskClient, collector: Collector) -> None:
    post(traced, "/v1/completions", {**COMPLETION, "seed": 2**64 - 1}, traceparent=PARENT)
    call = collector.of(TRACE, ROOT)[f"text_completion {LLM}"]
    assert "gen_ai.request.seed" not in call.attributes


def test_several_prompts_are_a_call_each(traced: FlaskClient, collector: Collector) -> None:
    post(traced, "/v1/completions", {**COMPLETION, "prompt": ["a", "b"]}, traceparent=PARENT)
    collector.of(TRACE, ROOT)
    calls = [span for span in collector.spans if span.kind == "CLIENT"]
    assert len(calls) == 2
    assert len({call.parent_id for call in calls}) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_of_triton(
    traced: FlaskClient, collector: Collector, triton: ScriptedTriton, stream: bool
) -> None:
    triton.script = say(error_message("canary of Triton"))
    post(traced, "/v1/completions", {**COMPLETION, "stream": stream}, traceparent=PARENT)
    spans = collector.of(TRACE, ROOT)
    for name in (ROOT, f"text_completion {LLM}"):
        assert spans[name].status == "ERROR"
        assert spans[name].attributes["error.type"] == "backend_error"
    assert spans[ROOT].attributes["http.response.status_code"] == 502
    assert b"canary" not in collector.raw


def test_a_failure_of_an_encoder(
    traced: FlaskClient, collector: Collector, http_triton: ScriptedHttpTriton
) -> None:
    http_triton.infer = lambda _: Reply(500, b'{"error":"canary"}')
    post(traced, "/v1/embeddings", {"model": EMBEDDING, "input": "a"}, traceparent=PARENT)
    call = collector.of(TRACE, "POST /v1/embeddings")[f"embeddings {EMBEDDING}"]
    assert (call.status, call.attributes["error.type"]) == ("ERROR", "backend_error")
    assert b"canary" not in collector.raw


def test_what_is_refused_is_no_error_of_the_server(
    traced: FlaskClient, collector: Collector
) -> None:
    post(traced, "/v1/completions", {"model": "nope"}, traceparent=PARENT)
    root = collector.of(TRACE, ROOT)[ROOT]
    assert root.status == "UNSET"
    assert root.attributes["error.type"] == "model_not_found"
    assert root.attributes["http.response.status_code"] == 404


def test_a_stream_that_is_left(
    traced: FlaskClient, collector: Collector, triton: ScriptedTriton
) -> None:
    triton.script = Generated([5] * 8, delay=0.2)
    response = traced.post(
        "/v1/completions",
        json={**COMPLETION, "stream": True},
        headers={"traceparent": PARENT},
        buffered=False,
    )
    next(response.iter_encoded())
    response.close()
    spans = collector.of(TRACE, ROOT)
    call = spans[f"text_completion {LLM}"]
    assert "cancelled" in call.events
    assert "gen_ai.response.finish_reasons" not in call.attributes
    assert spans[ROOT].attributes["error.type"] == "client_gone"
    assert {spans[ROOT].status, call.status} == {"UNSET"}


def test_paths_and_agents_are_cut(traced: FlaskClient, collector: Collector) -> None:
    headers = {"traceparent": PARENT, "User-Agent": "u" * 5000}
    traced.get("/" + "é" * 1000, headers=headers).close()
    root = collector.of(TRACE, "GET")["GET"]
    assert root.attributes["url.path"] == "/" + "é" * 255
    assert root.attributes["user_agent.original"] == "u" * 256
    assert "http.route" not in root.attributes


def test_an_unknown_method(traced: FlaskClient, collector: Collector) -> None:
    traced.open("/v1/models", method="BREW", headers={"traceparent": PARENT}).close()
    root = collector.of(TRACE, "HTTP")["HTTP"]
    assert root.attributes["http.request.method"] == "_OTHER"


def test_probes_are_not_traced(traced: FlaskClient, collector: Collector) -> None:
    traced.get("/livez", headers={"traceparent": PARENT}).close()
    traced.get("/v1/models", headers={"traceparent": PARENT}).close()
    assert collector.of(TRACE, "GET /v1/models").keys() == {"GET /v1/models"}


def test_what_it_is_called(build_traced: Build, collector: Collector) -> None:
    traced = build_traced(
        {"OTEL_SERVICE_NAME": "mine", "OTEL_EXPORTER_OTLP_HEADERS": "x-token=abc"}
    )
    post(traced, "/v1/completions", COMPLETION, traceparent=PARENT)
    root = collector.of(TRACE, ROOT)[ROOT]
    assert root.resource["service.name"] == "mine"
    assert collector.headers[0]["x-token"] == "abc"


def test_the_usual_name(traced: FlaskClient, collector: Collector) -> None:
    post(traced, "/v1/completions", COMPLETION, traceparent=PARENT)
    assert collector.of(TRACE, ROOT)[ROOT].resource["service.name"] == "openai_api"
