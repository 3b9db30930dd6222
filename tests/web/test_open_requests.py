"""Counting open requests, and what happens to those that are too many or too late."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.cancellation import Cancellation
from app.lifecycle.service_folder import VARIABLE, ServiceFolder, Snapshot
from app.web.calls import Server
from app.web.open_requests import ALWAYS_ANSWERED, ANSWER_SECONDS, OpenRequests
from tests.applications import (
    LLM,
    build_application,
    closed_port,
    standard_configuration,
    write_configuration,
)
from tests.scripted_triton import Generated, ScriptedTriton, WhenItMay
from tests.services.sse import read_events

COMPLETIONS = "/v1/completions"
# Two requests may be open that are other than for health and models.
CONNECTIONS = "3"
BODY: dict[str, Any] = {"model": LLM, "prompt": "a", "max_tokens": 4}


def requests_of(app: Flask) -> OpenRequests:
    server: Server = app.extensions["openai_api"]
    return server.open_requests


@pytest.fixture
def content(triton: ScriptedTriton) -> dict[str, Any]:
    triton.script = Generated([300] * 8)
    return standard_configuration(triton.address, f"127.0.0.1:{closed_port()}")


@pytest.fixture
def app(content: dict[str, Any], tmp_path: Path) -> Flask:
    return build_application(tmp_path, content, WORKER_CONNECTIONS=CONNECTIONS)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/nowhere", 404),
        ("GET", COMPLETIONS, 405),
        ("POST", COMPLETIONS, 415),
    ],
)
def test_every_request_is_counted_until_its_response_is_closed(
    app: Flask, client: FlaskClient, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method, buffered=False)
    assert response.status_code == status
    response.close()
    assert requests_of(app).count == 0


def test_a_stream_is_open_until_it_is_closed(app: Flask, client: FlaskClient) -> None:
    response = client.post(COMPLETIONS, json={**BODY, "stream": True})
    assert requests_of(app).count == 1
    response.close()
    assert requests_of(app).count == 0


def test_a_response_that_nobody_closes_is_forgotten(app: Flask, client: FlaskClient) -> None:
    client.get("/health")
    gc.collect()
    assert requests_of(app).count == 0


def test_a_bug_leaves_nothing_open(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(app.view_functions, "health.get_health", fail)
    with pytest.raises(KeyboardInterrupt):
        client.get("/health")
    gc.collect()
    assert requests_of(app).count == 0


def test_work_beyond_the_limit_is_refused_and_the_rest_is_answered(
    app: Flask, client: FlaskClient
) -> None:
    streams = [client.post(COMPLETIONS, json={**BODY, "stream": True}) for _ in range(2)]
    refused = client.post(COMPLETIONS, json=BODY, buffered=True)
    assert refused.status_code == 503
    assert refused.get_json()["error"]["code"] == "server_overloaded"
    assert refused.get_json()["error"]["type"] == "service_unavailable_error"
    assert refused.headers["Retry-After"] == "1"
    for path in ("/health", "/v1/models", f"/v1/models/{LLM}"):
        assert client.get(path, buffered=True).status_code == 200
    streams.pop().close()
    assert client.post(COMPLETIONS, json=BODY, buffered=True).status_code == 200
    streams.pop().close()
    assert requests_of(app).count == 0


def test_what_is_always_answered_exists(app: Flask) -> None:
    assert {rule.rule for rule in app.url_map.iter_rules()} >= ALWAYS_ANSWERED


def test_a_stream_that_is_ended_says_so(
    app: Flask, client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = script = WhenItMay(Generated([300] * 8), num_at_once=1)
    response = client.post(COMPLETIONS, json={**BODY, "max_tokens": 8, "stream": True})
    requests_of(app).end()
    text = response.get_data()
    script.may_go_on.set()
    assert b"[DONE]" not in text
    assert read_events(text)[-1]["error"]["code"] == "backend_unavailable"
    assert b"stopping" in text


def test_a_stream_whose_body_was_still_arriving_is_told_later() -> None:
    requests = OpenRequests(10)
    opened = requests.add()
    requests.end()
    opened.cancellation = Cancellation()
    opened.is_answered = True
    requests.end()
    assert opened.cancellation.is_cancelled


def test_who_is_called_off_late_gets_the_time_to_answer_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, failed = 1000.0, []
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("app.offload.fail_task", lambda *_: failed.append(now))
    requests = OpenRequests(10)
    opened = requests.add()
    requests.end()
    opened.cancellation = Cancellation()
    now += 2 * ANSWER_SECONDS
    requests.end()
    assert opened.cancellation.is_cancelled
    assert not failed
    now += 2 * ANSWER_SECONDS
    requests.end()
    assert failed == [now]


@pytest.fixture
def stopping(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ServiceFolder, Flask]:
    """An application under a master, with its folder."""
    folder = ServiceFolder(tmp_path / "service")
    folder.path.mkdir()
    path = write_configuration(tmp_path, content)
    texts = {file: file.read_text() for file in (path, tmp_path / "chatml.jinja")}
    folder.publish(Snapshot(path, texts))
    monkeypatch.setenv(VARIABLE, str(folder.path))
    return folder, build_application(tmp_path, "what is on disk is broken")


def test_a_service_that_stops_refuses_work_only_once_this_worker_is_to_end(
    stopping: tuple[ServiceFolder, Flask],
) -> None:
    folder, app = stopping
    client, server = app.test_client(), app.extensions["openai_api"]
    assert client.post(COMPLETIONS, json=BODY).status_code == 200
    folder.note_stopping()
    assert client.get("/readyz").get_json() == {"status": "draining"}
    assert client.get("/readyz").status_code == 503
    assert client.post(COMPLETIONS, json=BODY).status_code == 200
    server.lifecycle.leave()
    refused = client.post(COMPLETIONS, json=BODY)
    assert refused.status_code == 503
    assert refused.get_json()["error"]["code"] == "backend_unavailable"
    assert client.get("/health").status_code == 200


def test_a_worker_that_leaves_alone_does_the_work_it_has(
    stopping: tuple[ServiceFolder, Flask],
) -> None:
    _, app = stopping
    app.extensions["openai_api"].lifecycle.leave()
    assert app.test_client().post(COMPLETIONS, json=BODY).status_code == 200
