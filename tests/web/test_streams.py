"""Streams through the whole application, and clients that leave."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from tests.applications import LLM, build_application, standard_configuration
from tests.live.waiting import LATE, wait_until
from tests.scripted_triton import (
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    WhenItMay,
    error_message,
    model_config,
    say,
    sent,
)
from tests.services.sse import read_events


def first_token_then(*answers: Any, silent: float = 0.0) -> Any:
    def script(request: Any, context: Any) -> Iterator[Any]:
        whole = Generated([300] * 8)(request, context)
        yield next(whole)
        yield from say(*answers, then_silent=silent)(request, context)

    return script


def stream(client: FlaskClient, **body: Any) -> Any:
    return client.post(
        "/v1/completions", json={"model": LLM, "prompt": "a", "stream": True, **body}
    )


def test_a_failure_before_the_first_token_is_a_status(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = say(error_message("Exceeds maximum queue size"))
    response = stream(client)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1"
    assert response.content_type == "application/json"


def test_a_failure_after_the_first_token_is_the_last_event(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = first_token_then(error_message("canary at /root/x"))
    response = stream(client)
    *events, last = read_events(response.data)
    assert response.status_code == 200
    assert last["error"]["code"] == "backend_error"
    assert all(event["choices"][0]["finish_reason"] is None for event in events)
    assert b"canary" not in response.data


# No limit of its own ends a request for which nobody waits.
PATIENT = {"timeouts": {"connect": 60, "first_token": 120, "between_tokens": 120, "total": 120}}


@pytest.fixture
def patient(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Flask:
    triton.config = model_config(backend="python")
    configuration = standard_configuration(triton.address, http_triton.address, llm=PATIENT)
    return build_application(tmp_path, configuration)


@pytest.fixture
def impatient(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> FlaskClient:
    """An application that gives signs of life every 100 ms and waits two seconds for a token."""
    timeouts = {**PATIENT["timeouts"], "first_token": 2, "between_tokens": 2}
    return lively(tmp_path, triton, http_triton, timeouts)


@pytest.fixture
def talkative(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> FlaskClient:
    """An application that gives signs of life every 100 ms and waits long for a token."""
    return lively(tmp_path, triton, http_triton, PATIENT["timeouts"])


def lively(
    base: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton, timeouts: dict[str, int]
) -> FlaskClient:
    configuration = standard_configuration(
        triton.address, http_triton.address, llm={"timeouts": timeouts}
    )
    return build_application(base, configuration, KEEP_ALIVE_INTERVAL="0.1").test_client()


def test_silence_before_the_first_token_starts_the_stream(
    talkative: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = script = WhenItMay(Generated([300, 2]))
    response = stream(talkative)
    script.may_go_on.set()
    events = read_events(response.data)
    assert events[0] == ": keep-alive"
    assert events[-1] == "[DONE]"


def test_a_missed_first_token_after_a_comment_is_an_event(
    impatient: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = say(then_silent=120)
    # Who stalls for two seconds before the first sign of life answers with a status at once.
    answers = (stream(impatient) for _ in range(4))
    response = next(answer for answer in answers if answer.status_code != 504)
    events = read_events(response.data)
    assert response.status_code == 200
    assert events[0] == ": keep-alive"
    assert events[-1]["error"]["type"] == "timeout_error"


def test_a_whole_answer_waits_through_the_silence(
    talkative: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = Generated([300, 2], delay=0.25)
    assert stream(talkative, stream=False).status_code == 200


def test_stream_and_request_share_the_id(client: FlaskClient, triton: ScriptedTriton) -> None:
    response = client.post(
        "/v1/completions",
        json={"model": LLM, "prompt": "a", "stream": True},
        headers={"x-request-id": "mine-1"},
    )
    assert response.headers["x-request-id"] == "mine-1"
    assert triton.requests[0].id == "mine-1"


# ---- real connections


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def send(port: int, **body: Any) -> socket.socket:
    content = json.dumps({"model": LLM, "prompt": "a", "max_tokens": 40, **body}).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(head.encode() + content)
    return connection


PROMPTS = {"one prompt": [300], "two prompts": [[300], [301]]}


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_client_that_leaves_before_the_first_token_ends_the_request(
    patient: Flask, triton: ScriptedTriton, prompt: str, is_stream: bool
) -> None:
    triton.script = say(then_silent=120)
    admission = patient.extensions["openai_api"].catalogue.language_model(LLM).admission
    before = answering()
    with serving(patient) as port:
        connection = send(port, prompt=PROMPTS[prompt], stream=is_stream)
        wait_until(lambda: len(triton.requests) >= (2 if "two" in prompt else 1), "the requests")
        connection.close()
        wait_until(lambda: admission.num_inflight == 0, "freeing the place")
        wait_until(lambda: not triton.open_calls, "the end of the calls")
        wait_until(lambda: answering() <= before, "the request's end")


def answering() -> set[threading.Thread]:
    """The server's threads that work on a request."""
    return {thread for thread in threading.enumerate() if "process_request" in thread.name}


def test_a_client_that_leaves_a_stream_ends_it(patient: Flask, triton: ScriptedTriton) -> None:
    triton.script = first_token_then(silent=120)
    with serving(patient) as port:
        connection = send(port, stream=True)
        assert b"200 OK" in connection.recv(4096)
        connection.close()
        wait_until(triton.cancelled.is_set, "the cancellation")


def test_a_client_that_leaves_the_queue_is_never_executed(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    configuration = standard_configuration(
        triton.address,
        http_triton.address,
        llm={**PATIENT, "max_inflight": 1, "max_queue_wait": 120},
    )
    app = build_application(tmp_path, configuration)
    admission = app.extensions["openai_api"].catalogue.language_model(LLM).admission
    triton.config = model_config(backend="python")
    triton.script = say(then_silent=120)
    with serving(app) as port:
        first = send(port)
        wait_until(lambda: admission.num_inflight == 1, "the first")
        queued = send(port)
        wait_until(lambda: admission.num_waiting == 1, "the queue")
        queued.close()
        wait_until(lambda: admission.num_waiting == 0, "leaving the queue")
        first.close()
        wait_until(lambda: admission.num_inflight == 0, "the end")
    assert len(triton.requests) == 1


def test_a_full_model_answers_429_at_once(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    configuration = standard_configuration(
        triton.address, http_triton.address, llm={**PATIENT, "max_inflight": 1, "max_queue": 0}
    )
    app = build_application(tmp_path, configuration)
    admission = app.extensions["openai_api"].catalogue.language_model(LLM).admission
    triton.config = model_config(backend="python")
    triton.script = say(then_silent=120)
    with serving(app) as port:
        first = send(port)
        wait_until(lambda: admission.num_inflight == 1, "the first")
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(
            "POST",
            "/v1/completions",
            json.dumps({"model": LLM, "prompt": "a"}),
            {"Content-Type": "application/json"},
        )
        response = connection.getresponse()
        assert time.monotonic() - start < LATE
        error = json.load(response)["error"]
        assert (response.status, error["type"]) == (429, "rate_limit_error")
        assert error["code"] == "model_overloaded"
        assert response.headers["Retry-After"] == "1"
        first.close()
        wait_until(lambda: admission.num_inflight == 0, "the end")


def test_a_body_over_several_packets(app: Flask, triton: ScriptedTriton) -> None:
    with serving(app) as port:
        content = json.dumps({"model": LLM, "prompt": [300] * 3}).encode()
        connection = socket.create_connection(("127.0.0.1", port))
        head = (
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode())
        for start in range(0, len(content), 10):
            connection.sendall(content[start : start + 10])
            time.sleep(0.005)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert b"200 OK" in answer
    assert sent(triton.requests[0])["input_ids"][1] == [[300] * 3]
