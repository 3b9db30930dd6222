"""Traces of the real server in front of the real Triton, as a collector gets them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.applications import closed_port
from tests.live.collector import Collector, Received, collecting, told_to
from tests.live.entries import only
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.live.services import service
from tests.live.test_generation import COMPLETIONS, completion
from tests.live.waiting import LATE, wait_until

CHAT = "/v1/chat/completions"
SECRET = "canary-question-83b0"
SECONDS = 60.0
# Between two tokens of ft-slow.
TOKEN_SECONDS = 0.05
MODELS = ("demo-chat", "ft-slow", "all-minilm-l6-v2", "minilm-reranker")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def configuration(entries: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the few models that are asked here."""
    path = tmp_path_factory.mktemp("tracing") / "models.json"
    return write_configuration(path, only(entries, MODELS))


@pytest.fixture(scope="module")
def server(
    configuration: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """gunicorn with one worker, which is traced."""
    log = tmp_path_factory.mktemp("traced") / "log"
    with running("gunicorn", configuration, log, **told_to(collector)) as found:
        yield found


def trace_of(number: int) -> tuple[str, dict[str, str]]:
    """A trace of a client's own, and the header that tells of it."""
    trace_id = f"{number:032x}"
    return trace_id, {"traceparent": f"00-{trace_id}-00000000000000aa-01"}


def check_nesting(spans: dict[str, Received], root: str) -> None:
    parent = spans[root]
    for span in spans.values():
        if span is not parent:
            assert span.parent_id == parent.span_id
            assert parent.start <= span.start <= span.end <= parent.end + 0.001


def test_a_chat(server: Server, collector: Collector) -> None:
    trace_id, header = trace_of(1)
    messages = [{"role": "user", "content": f"How do I start the server? {SECRET}"}]
    begun = time.time()
    answer = server.post(CHAT, {"model": "demo-chat", "messages": messages}, **header)
    ended = time.time()
    usage = answer.json()["usage"]
    spans = collector.of(trace_id, f"POST {CHAT}")
    check_nesting(spans, f"POST {CHAT}")
    root, call = spans[f"POST {CHAT}"], spans["chat demo-chat"]
    assert spans.keys() == {
        *(root.name, call.name, "parse", "render template", "tokenize", "wait for a place")
    }
    assert begun <= root.start <= root.end
    assert call.end <= ended
    assert call.attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert call.attributes["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert call.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert call.start <= call.events["sent"] < call.events["first token"] <= call.end
    steps = ("parse", "render template", "tokenize", "wait for a place", "chat demo-chat")
    assert [spans[name].start for name in steps] == sorted(spans[name].start for name in steps)


def test_the_log_names_the_trace(server: Server, collector: Collector) -> None:
    trace_id, header = trace_of(2)
    answer = server.post(COMPLETIONS, completion("Once"), **header)
    collector.of(trace_id, f"POST {COMPLETIONS}")
    request_id = answer.headers["x-request-id"]
    wait_until(lambda: request_id in server.log_text(), "a line of the request")
    lines = [json.loads(line) for line in server.log_text().splitlines() if request_id in line]
    assert {line["trace_id"] for line in lines} == {trace_id}


def test_a_stream_ends_with_its_last_event(server: Server, collector: Collector) -> None:
    body = completion("Once upon a time", model="ft-slow", max_tokens=10)
    seen = []
    with server.stream(COMPLETIONS, body) as stream:
        for _ in stream.lines():
            seen.append(time.time())
        request_id = stream.response.headers["x-request-id"]
    root = root_of(collector, request_id)
    call = collector.of(root.trace_id, root.name)["text_completion ft-slow"]
    assert call.attributes["gen_ai.request.stream"] is True
    assert call.events["first token"] <= seen[0]
    assert call.events["first token"] < root.end
    # The model itself takes that long, whenever the client reads.
    assert root.end - root.start > 0.9 * 10 * TOKEN_SECONDS
    assert root.attributes["http.response.status_code"] == 200


def root_of(collector: Collector, request_id: str) -> Received:
    """The span of a request whose trace is not known."""

    def found() -> list[Received]:
        return [
            span
            for span in list(collector.spans)
            if span.attributes.get("openai_api.request_id") == request_id
        ]

    wait_until(lambda: bool(found()), "the span of the request")
    return found()[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves(server: Server, collector: Collector, stream: bool) -> None:
    body = completion("Once upon a time", model="ft-slow", max_tokens=1900, ignore_eos=True)
    trace_id, header = trace_of(10 + stream)
    connection = server.send(COMPLETIONS, {**body, "stream": stream}, **header)
    if stream:
        assert connection.getresponse().readline().startswith(b"data: ")
    else:
        wait_until(lambda: is_running(server), "the request")
    connection.close()
    spans = collector.of(trace_id, f"POST {COMPLETIONS}")
    call = spans["text_completion ft-slow"]
    assert "cancelled" in call.events
    assert "gen_ai.response.finish_reasons" not in call.attributes
    assert call.attributes["gen_ai.usage.output_tokens"] < 1900
    assert spans[f"POST {COMPLETIONS}"].attributes["error.type"] == "client_gone"


def is_running(server: Server) -> bool:
    line = 'openai_api_requests_running{model="ft-slow"} 1.0'
    return line in server.get("/metrics").body.decode()


def test_embeddings_and_scores(server: Server, collector: Collector) -> None:
    trace_id, header = trace_of(20)
    server.post("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": ["a", SECRET]}, **header)
    spans = collector.of(trace_id, "POST /v1/embeddings")
    check_nesting(spans, "POST /v1/embeddings")
    assert spans["embeddings all-minilm-l6-v2"].attributes["gen_ai.usage.input_tokens"] > 3
    trace_id, header = trace_of(21)
    body = {"model": "minilm-reranker", "query": SECRET, "documents": ["a", "b"]}
    server.post("/v1/rerank", body, **header)
    spans = collector.of(trace_id, "POST /v1/rerank")
    check_nesting(spans, "POST /v1/rerank")
    assert "rerank minilm-reranker" in spans


def test_no_span_holds_what_was_asked(server: Server, collector: Collector) -> None:
    trace_id, header = trace_of(30)
    server.post(COMPLETIONS, completion(SECRET, stop=[SECRET]), **header)
    collector.of(trace_id, f"POST {COMPLETIONS}")
    assert SECRET.encode() not in collector.raw


def test_a_long_prompt_in_another_thread(server: Server, collector: Collector) -> None:
    trace_id, header = trace_of(40)
    text = "word " * 1200
    messages = [{"role": "user", "content": text}]
    body = {"model": "demo-chat", "messages": messages, "max_tokens": 1}
    assert server.post(CHAT, body, **header).status == 200
    spans = collector.of(trace_id, f"POST {CHAT}")
    check_nesting(spans, f"POST {CHAT}")
    assert {"render template", "tokenize"} <= spans.keys()


# ---- several workers, and collectors that do not work


def test_the_last_spans_are_sent_when_the_server_stops(configuration: Path, tmp_path: Path) -> None:
    # A worker that a busy machine stops for two seconds at its end has no time for them.
    for attempt in range(3):
        ids, sent = of_a_stopped_server(configuration, tmp_path / f"log-{attempt}")
        if request_ids(sent) == ids:
            break
    assert request_ids(sent) == ids
    assert len({span.resource["process.pid"] for span in sent}) == 2


def of_a_stopped_server(configuration: Path, log: Path) -> tuple[set[str], list[Received]]:
    """The ids of what two workers were asked, and the requests' spans that came at their end."""
    with collecting() as collector:
        # So late that only the end sends them.
        environment = told_to(collector, OTEL_BSP_SCHEDULE_DELAY="600000")
        with service(configuration, log, **environment) as found:
            ids = set()
            for pid in found.workers():
                with frozen(found.workers() - {pid}):
                    answers = [found.server.post(COMPLETIONS, completion("a")) for _ in range(4)]
                ids |= {answer.headers["x-request-id"] for answer in answers}
            assert collector.num_messages == 0
            found.signal(signal.SIGTERM)
            assert found.exit_code(SECONDS) == 0
        # Who sent them may not have waited for the collector's answer.
        with suppress(AssertionError):
            wait_until(lambda: request_ids(roots(collector)) >= ids, "the last spans", LATE)
        return ids, roots(collector)


def roots(collector: Collector) -> list[Received]:
    return [span for span in list(collector.spans) if span.kind == "SERVER"]


def request_ids(spans: list[Received]) -> set[str]:
    return {span.attributes["openai_api.request_id"] for span in spans}


@contextmanager
def frozen(processes: set[int]) -> Iterator[None]:
    """Inside, they leave all requests to others."""
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def ask_often(server: Server, count: int) -> None:
    for _ in range(count):
        assert server.post(COMPLETIONS, completion("Once", max_tokens=1)).status == 200


def lines_of_opentelemetry(server: Server) -> list[dict[str, Any]]:
    lines = map(json.loads, server.log_text().splitlines())
    return [line for line in lines if line["logger"].startswith("opentelemetry")]


def test_a_collector_that_hangs(configuration: Path, tmp_path: Path) -> None:
    with collecting(hangs=True) as collector:
        small = {"OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
        # Without its own deadline the exporter would take a minute and more.
        long = {"OTEL_EXPORTER_OTLP_TIMEOUT": "60", "GRACEFUL_TIMEOUT": "100"}
        environment = told_to(collector, WORKERS="1", **small, **long)
        with service(configuration, tmp_path / "log", **environment) as found:
            ask_often(found.server, 40)
            begun = time.monotonic()
            found.signal(signal.SIGTERM)
            assert found.exit_code(SECONDS) == 0
            # The collector gets two seconds.
            assert time.monotonic() - begun < 2 + LATE
            assert len(lines_of_opentelemetry(found.server)) < 10
            assert "Traceback" not in found.server.log_text()
        collector.goes_on.set()
        # What was in the queue and on the way, at most.
        assert len(collector.spans) <= 16 + 8


def test_no_collector_at_all(configuration: Path, tmp_path: Path) -> None:
    absent = Collector(url=f"http://127.0.0.1:{closed_port()}")
    # Seconds for which the exporter tries again before it says so.
    environment = told_to(absent, WORKERS="1", OTEL_EXPORTER_OTLP_TIMEOUT="2")
    with service(configuration, tmp_path / "log", **environment) as found:
        begun = time.monotonic()
        ask_often(found.server, 40)
        wait_until(lambda: bool(lines_of_opentelemetry(found.server)), "a line")
        found.signal(signal.SIGTERM)
        assert found.exit_code(SECONDS) == 0
        told = lines_of_opentelemetry(found.server)
        # Each attempt takes a second and has two lines, however much there is to send.
        assert 0 < len(told) < 10 + 3 * (time.monotonic() - begun)
        assert {line["level"] for line in told} <= {"WARNING", "ERROR"}
        assert "Traceback" not in found.server.log_text()
