"""The log of the server as it runs: each event a line of JSON, and of prompts nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.observability import prompt_log
from tests.applications import (
    EMBEDDING,
    LLM,
    standard_configuration,
    token_ids,
    write_configuration,
)
from tests.live.http import Server
from tests.live.servers import running
from tests.live.services import service
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    error_message,
)

SECONDS = 30.0
SECRET = "canary-question-5d1c"
ANSWER = "canary"
COMPLETION = {"model": LLM, "prompt": "a", "max_tokens": 8}


@pytest.fixture
def configuration(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Path:
    return write_configuration(
        tmp_path, standard_configuration(triton.address, http_triton.address)
    )


@pytest.fixture(scope="module")
def _server(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("logs")
    content = standard_configuration(_triton.address, _http_triton.address)
    with running("gunicorn", write_configuration(base, content), base / "log") as found:
        yield found


@pytest.fixture
def server(_server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Server:
    """The same for all tests that need no settings of their own."""
    return _server


def events(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log_text().splitlines()]


def line_of(server: Server, request_id: str) -> dict[str, Any]:
    """The line of this request, once it is written."""

    def found() -> list[dict[str, Any]]:
        lines = [event for event in events(server) if event["logger"] == "app.requests"]
        return [event for event in lines if event["request_id"] == request_id]

    wait_until(lambda: bool(found()), "the line of the request", SECONDS)
    (event,) = found()
    return event


def test_every_line_is_json(configuration: Path, tmp_path: Path) -> None:
    with service(configuration, tmp_path / "log") as found:
        found.server.post("/v1/completions", COMPLETION)
        found.server.request("GET", "/nothing")
        found.server.request("BREW", "/pot", headers={"bad name": "x"})
        configuration.write_text('{"llm": 1}')
        found.signal(signal.SIGHUP)
        wait_until(lambda: found.logged("not reloaded") == 1, "the refusal", SECONDS)
        found.signal(signal.SIGTERM)
        assert found.exit_code(SECONDS) == 0
        told = events(found.server)
    assert {"app.requests", "app.publish_config", "app.worker", "gunicorn.error"} <= {
        event["logger"] for event in told
    }
    for event in told:
        assert {"time", "level", "logger", "pid", "message"} <= event.keys()


def test_warnings_and_libraries_come_in_the_same_form(configuration: Path, tmp_path: Path) -> None:
    # Loaded by each worker, in which it does what a library may do.
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, warnings, logging\n"
        "def late():\n"
        "    warnings.warn('mind the gap')\n"
        "    logging.getLogger('library').error('a\\nb')\n"
        "threading.Timer(3, late).start() if 'gunicorn' in ' '.join(__import__('sys').orig_argv)"
        " else None\n"
    )
    with running("gunicorn", configuration, tmp_path / "log", PYTHONPATH=str(tmp_path)) as server:
        wait_until(lambda: "mind the gap" in server.log_text(), "the warning", SECONDS)
        wait_until(lambda: '"library"' in server.log_text(), "the error", SECONDS)
        told = {event["logger"]: event for event in events(server)}
    assert told["py.warnings"]["level"] == "WARNING"
    assert told["library"]["message"] == "a\\nb"


def test_a_whole_answer(server: Server) -> None:
    server.post("/v1/completions", COMPLETION, **{"X-Request-Id": "whole-1"})
    told = line_of(server, "whole-1")
    assert (
        told.items()
        >= {
            "level": "INFO",
            "method": "POST",
            "path": "/v1/completions",
            "route": "/v1/completions",
            "status": 200,
            "outcome": "completed",
            "model": LLM,
            "stream": False,
            "prompt_tokens": 1,
            "completion_tokens": 3,
            "finish_reasons": ["stop"],
        }.items()
    )
    assert 0 <= told["queue_seconds"] <= told["first_token_seconds"] <= told["seconds"]


def test_a_stream_is_told_at_its_end(server: Server, triton: ScriptedTriton) -> None:
    triton.script = Generated(token_ids(" a b c"), delay=0.2)
    body = {**COMPLETION, "stream": True}
    connection = server.send("/v1/completions", body)
    response = connection.getresponse()
    request_id = response.headers["x-request-id"]
    assert response.readline().startswith(b"data: ")
    assert request_id not in server.log_text()
    response.read()
    told = line_of(server, request_id)
    assert told["stream"] is True
    assert told["seconds"] - told["first_token_seconds"] > 0.1


def test_a_client_that_leaves(server: Server, triton: ScriptedTriton) -> None:
    triton.script = Generated(token_ids(" a" * 30), delay=0.3)
    with server.stream("/v1/completions", {**COMPLETION, "max_tokens": 30}) as stream:
        request_id = stream.response.headers["x-request-id"]
        next(stream.lines())
    told = line_of(server, request_id)
    assert (told["status"], told["outcome"]) == (499, "client_gone")
    assert told["completion_tokens"] < 30


def test_a_stream_that_fails_after_its_head(server: Server, triton: ScriptedTriton) -> None:
    def script(request: Any, context: Any) -> Iterator[Any]:
        yield from Generated(token_ids(" a"))(request, context)
        yield error_message("boom")

    triton.script = script
    with server.stream("/v1/completions", COMPLETION) as stream:
        request_id = stream.response.headers["x-request-id"]
        assert stream.response.status == 200
        list(stream.lines())
    told = line_of(server, request_id)
    assert (told["status"], told["outcome"], told["error"]) == (502, "failed", "backend_error")
    failures = [event for event in events(server) if event["level"] == "ERROR"]
    assert [event["request_id"] for event in failures] == [request_id]
    assert "boom" in failures[0]["message"]


def test_what_is_refused(server: Server) -> None:
    answer = server.post("/v1/completions", {"model": LLM, "prompt": 1})
    told = line_of(server, answer.headers["x-request-id"])
    assert (told["status"], told["outcome"]) == (400, "refused")
    assert "first_token_seconds" not in told


def test_probes_that_are_well_are_told_by_debug_only(configuration: Path, tmp_path: Path) -> None:
    for level, expected in (("INFO", 0), ("DEBUG", 1)):
        log = tmp_path / level
        with running("gunicorn", configuration, log, LOG_LEVEL=level) as server:
            before = len(events(server))
            answer = server.get("/livez")
            other = server.get("/v1/models")
            line_of(server, other.headers["x-request-id"])
            ids = [event.get("request_id") for event in events(server)[before:]]
            assert ids.count(answer.headers["x-request-id"]) == expected


# ---- prompts


def talk(server: Server, triton: ScriptedTriton) -> None:
    """Ask everything with a secret, and have it answered with one."""
    triton.script = Generated([*token_ids(f" {ANSWER}"), 2])
    message = [{"role": "user", "content": SECRET}]
    for stream in (False, True):
        server.post("/v1/completions", {**COMPLETION, "prompt": SECRET, "stream": stream})
        server.post("/v1/chat/completions", {"model": LLM, "messages": message, "stream": stream})
    last = server.post("/v1/embeddings", {"model": EMBEDDING, "input": SECRET})
    line_of(server, last.headers["x-request-id"])


def test_prompts_and_answers_are_not_logged(
    configuration: Path, tmp_path: Path, triton: ScriptedTriton
) -> None:
    talkative = {"LOG_LEVEL": "DEBUG", "VERBOSE": "true", "SERVER_LOG_LEVEL": "debug"}
    with running("gunicorn", configuration, tmp_path / "log", **talkative) as server:
        talk(server, triton)
        told = server.log_text()
    assert "prompt tokens" in told
    assert SECRET not in told
    assert ANSWER not in told


def test_prompts_and_answers_are_logged_where_they_are_asked_for(
    configuration: Path, tmp_path: Path, triton: ScriptedTriton
) -> None:
    with running("gunicorn", configuration, tmp_path / "log", LOG_PROMPTS="true") as server:
        talk(server, triton)
        told = events(server)
        huge = server.post("/v1/completions", {**COMPLETION, "prompt": "é" * 100_000})
        line_of(server, huge.headers["x-request-id"])
        lengths = [len(e["body"]) for e in events(server) if "body" in e]
    warned = [event for event in told if event["message"] == prompt_log.WARNING]
    assert {event["level"] for event in warned} == {"WARNING"}
    asked = [event["body"] for event in told if "body" in event]
    assert len(asked) == 5
    assert all(SECRET in body for body in asked)
    answered = [event["text"] for event in told if "text" in event]
    assert answered == [f" {ANSWER}"] * 4
    assert max(lengths) == prompt_log.MAX_CHARACTERS
