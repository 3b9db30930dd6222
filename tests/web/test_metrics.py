"""The metrics through the whole application."""

from __future__ import annotations

import random
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.applications import EMBEDDING, LLM, RERANKER, build_application, standard_configuration
from tests.live.waiting import wait_until
from tests.observability.samples import Samples
from tests.scripted_triton import (
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    WhenItMay,
    encoder_of_scores,
    error_message,
    model_config,
    say,
    score_by_length,
)

PROMPT = {"model": LLM, "prompt": "a b c", "max_tokens": 3}
CHAT = {"model": LLM, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}


def read(client: FlaskClient) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return Samples(response.text)


def gained(client: FlaskClient, act: Callable[[], Any]) -> Callable[..., float]:
    before = read(client)
    act()
    after = read(client)
    return lambda name, **labels: after.total(name, **labels) - before.total(name, **labels)


def post(client: FlaskClient, path: str, body: Any) -> Any:
    """An answer that was read and closed, as a server does it."""
    return client.post(path, json=body, buffered=True)


def first_token_then(*answers: Any) -> Any:
    def script(request: Any, context: Any) -> Iterator[Any]:
        yield next(Generated([300] * 8)(request, context))
        yield from say(*answers)(request, context)

    return script


# Each request, and where its answer tells how many tokens it took.
COUNTED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "/v1/completions": (
        {**PROMPT, "prompt": ["a", "b c d"], "n": 2, "seed": 1},
        ("prompt_tokens", "completion_tokens"),
    ),
    "/v1/chat/completions": (CHAT, ("prompt_tokens", "completion_tokens")),
    "/v1/responses": (
        {"model": LLM, "input": "hi", "max_output_tokens": 3},
        ("input_tokens", "output_tokens"),
    ),
    "/v1/messages": (CHAT, ("input_tokens", "output_tokens")),
}


@pytest.mark.parametrize("path", COUNTED)
def test_tokens_are_those_of_usage(client: FlaskClient, triton: ScriptedTriton, path: str) -> None:
    triton.script = Generated([300, 301, 302, 303])
    body, (prompt, completion) = COUNTED[path]
    answers: list[Any] = []
    count = gained(client, lambda: answers.append(post(client, path, body)))
    usage = answers[0].json["usage"]
    assert usage[completion] >= 3
    assert count("prompt_tokens_total", model=LLM) == usage[prompt]
    assert count("completion_tokens_total", model=LLM) == usage[completion]
    assert count("requests_total", route=path, model=LLM, status="200") == 1
    assert count("time_to_first_token_seconds_count", model=LLM) == 1
    assert count("queue_wait_seconds_count", model=LLM) == 1
    assert count("request_prompt_tokens_sum", model=LLM) == usage[prompt]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/score cosine"])
def test_tokens_of_encoders(
    client: FlaskClient, http_triton: ScriptedHttpTriton, path: str
) -> None:
    path, _, is_cosine = path.partition(" ")
    model = EMBEDDING if path == "/v1/embeddings" or is_cosine else RERANKER
    if model == RERANKER:
        http_triton.config, http_triton.output = encoder_of_scores(), "logits"
        http_triton.infer = score_by_length
    body: dict[str, Any] = {"model": model, "input": ["a b", "c"]}
    if path != "/v1/embeddings":
        body |= {"query": "a", "documents": ["b", "c"], "text_1": "a", "text_2": ["b", "c"]}
    answers: list[Any] = []
    count = gained(client, lambda: answers.append(post(client, path, body)))
    assert answers[0].status_code == 200, answers[0].text
    assert count("prompt_tokens_total", model=model) == answers[0].json["usage"]["prompt_tokens"]
    assert count("completion_tokens_total", model=model) == 0
    assert count("time_to_first_token_seconds_count", model=model) == 0
    assert count("requests_total", route=path, model=model, status="200") == 1


def test_a_stream_is_counted_at_its_end(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = Generated([300, 301, 302, 303])
    before = read(client)
    with closing(client.post("/v1/completions", json={**PROMPT, "stream": True})) as response:
        pieces = response.iter_encoded()
        next(pieces)
        during = read(client)
        list(pieces)
    after = read(client)
    labels = {"route": "/v1/completions", "model": LLM, "status": "200"}
    assert during.value("open_requests") == before.value("open_requests") + 1
    assert during.value("requests_total", **labels) == before.value("requests_total", **labels)
    assert after.value("open_requests") == before.value("open_requests")
    assert after.value("requests_total", **labels) == before.value("requests_total", **labels) + 1
    tokens = "completion_tokens_total"
    assert after.value(tokens, model=LLM) == before.value(tokens, model=LLM) + 3


@pytest.mark.parametrize("prompt", ["a", ["a", "b"]])
def test_a_stream_that_nobody_reads_on_counts_what_there_was(
    client: FlaskClient, triton: ScriptedTriton, prompt: Any
) -> None:
    # It is cancelled there, and not read to its end.
    triton.config = model_config(backend="python")
    triton.script = Generated([300] * 40, delay=0.05)

    def leave() -> None:
        body = {**PROMPT, "prompt": prompt, "max_tokens": 40, "stream": True}
        with closing(client.post("/v1/completions", json=body)) as response:
            next(response.iter_encoded())

    count = gained(client, leave)
    assert count("requests_total", route="/v1/completions", model=LLM, status="499") == 1
    assert count("cancelled_total", model=LLM) == 1
    assert 1 <= count("completion_tokens_total", model=LLM) < 80
    assert count("prompt_tokens_total", model=LLM) == len(prompt)
    assert count("open_requests") == 0
    wait_until(lambda: read(client).value("requests_running", model=LLM) == 0, "the free place")


def test_a_stream_that_fails_has_the_status_of_its_error(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = first_token_then(error_message("out of luck"))

    def fail() -> None:
        assert post(client, "/v1/completions", {**PROMPT, "stream": True}).status_code == 200

    count = gained(client, fail)
    assert count("requests_total", route="/v1/completions", model=LLM, status="502") == 1
    assert count("backend_errors_total", model=LLM, kind="backend_error") == 1
    assert count("completion_tokens_total", model=LLM) == 1
    assert count("cancelled_total", model=LLM) == 0


def test_a_whole_answer_that_fails(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = say(error_message("out of luck"))
    count = gained(client, lambda: post(client, "/v1/completions", PROMPT))
    assert count("requests_total", route="/v1/completions", model=LLM, status="502") == 1
    assert count("backend_errors_total", model=LLM, kind="backend_error") == 1


def test_what_is_refused_before_it_has_a_place_costs_no_tokens(client: FlaskClient) -> None:
    count = gained(client, lambda: post(client, "/v1/completions", {**PROMPT, "n": 0}))
    assert count("requests_total", route="/v1/completions", status="400") == 1
    assert count("prompt_tokens_total") == 0
    assert count("queue_wait_seconds_count") == 0


def test_no_request_makes_a_label(client: FlaskClient) -> None:
    numbers = random.Random(0)

    def try_names() -> None:
        name = "".join(numbers.choices(string.printable, k=8))
        post(client, "/v1/completions", {"model": name, "prompt": "a"})
        post(client, "/v1/completions", {"model": name, "prompt": "a", name: 1})
        client.get(f"/v1/models/{quote(name, safe='')}", buffered=True)
        client.get("/" + "".join(numbers.choices(string.ascii_letters, k=8)), buffered=True)
        method = "".join(numbers.choices(string.ascii_uppercase, k=5))
        client.open("/health", method=method, buffered=True)

    for _ in range(4):
        try_names()
    before = read(client)
    for _ in range(250):
        try_names()
    after = read(client)
    assert after.values.keys() == before.values.keys()
    assert after.total("requests_total") >= before.total("requests_total") + 1250


def test_fields_that_change_nothing_are_counted(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = Generated([300, 301, 302, 303])
    before = read(client)
    body = {**PROMPT, "no_such_field": 1, "openai_api{": [], 'a"\n': {}}
    count = gained(client, lambda: post(client, "/v1/completions", body))
    assert count("unknown_fields_total", route="/v1/completions") == 3
    many = {f"field {number}": number for number in range(100_000)}
    count = gained(client, lambda: post(client, "/v1/completions", {**PROMPT, **many}))
    assert 200 < count("unknown_fields_total", route="/v1/completions") <= 256
    assert read(client).labels("route") == before.labels("route")


def test_the_times_of_a_stream(client: FlaskClient, triton: ScriptedTriton) -> None:
    may_go_on = threading.Semaphore()

    def script(request: Any, context: Any) -> Iterator[Any]:
        for answer in Generated([300] * 8)(request, context):
            assert may_go_on.acquire(timeout=60)
            yield answer

    def read_slowly() -> None:
        """Each token is sent a moment after the one before has been read."""
        body = {**PROMPT, "max_tokens": 8, "stream": True}
        with closing(client.post("/v1/completions", json=body)) as response:
            for _ in response.iter_encoded():
                time.sleep(0.02)
                may_go_on.release()

    triton.script = script
    count = gained(client, read_slowly)
    gaps = "time_between_tokens_seconds"
    assert count(f"{gaps}_count", model=LLM) == 7
    assert count(f"{gaps}_sum", model=LLM) >= 7 * 0.015
    assert count(f"{gaps}_bucket", model=LLM, le="0.01") < 7
    assert count("choices_finished_total", model=LLM, finish_reason="length") == 1
    assert count("request_completion_tokens_sum", model=LLM) == 8
    assert count("answer_seconds_count", model=LLM) == 1
    for phase in ("prepare", "first_token", "decode"):
        assert count("phase_seconds_count", model=LLM, phase=phase) == 1


def test_tokens_of_a_stream_count_while_it_is_read(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = script = WhenItMay(Generated([300] * 40), num_at_once=8)
    before = read(client)
    tokens = "completion_tokens_total"
    body = {**PROMPT, "max_tokens": 40, "stream": True}
    with closing(client.post("/v1/completions", json=body)) as response:
        pieces = response.iter_encoded()
        next(pieces)
        gained_now = read(client).value(tokens, model=LLM) - before.value(tokens, model=LLM)
        assert 1 <= gained_now <= 8
        script.may_go_on.set()
        list(pieces)
    assert read(client).value(tokens, model=LLM) == before.value(tokens, model=LLM) + 40


def test_vllm_s_names_can_be_switched_off(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    configuration = standard_configuration(triton.address, http_triton.address)
    for folder, settings, has_names in (("a", {}, True), ("b", {"VLLM_METRICS": "false"}, False)):
        (tmp_path / folder).mkdir()
        app = build_application(tmp_path / folder, configuration, **settings)
        text = app.test_client().get("/metrics").text
        assert ("vllm:num_requests_running{" in text) == has_names


def test_they_are_not_here_when_they_have_their_own_address(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    caplog: pytest.LogCaptureFixture,
) -> None:
    configuration = standard_configuration(triton.address, http_triton.address)
    app: Flask = build_application(tmp_path, configuration, METRICS_BIND="127.0.0.1:9100")
    client = app.test_client()
    response = client.get("/metrics")
    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")
    assert client.get("/metrics", base_url="http://127.0.0.1:9100").status_code == 404
    assert client.get("/health").status_code == 200
    assert "METRICS_BIND needs gunicorn" in caplog.text
