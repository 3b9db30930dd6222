"""The log of the server as it runs: each event a line of JSON, and of prompts nothing."""

from __future__ import annotations

import json
import signal
import threading
import time
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
from tests.live.entries import unhurried
from tests.live.http import Server
from tests.live.servers import running
from tests.live.services import service
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    Generated,
    Script,
    ScriptedHttpTriton,
    ScriptedTriton,
    error_message,
)

SECRET = "canary-question-5d1c"
ANSWER = "canary"
COMPLETION = {"model": LLM, "prompt": "a", "max_tokens": 8}


@pytest.fixture(scope="module")
def configuration(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Path:
    content = unhurried(standard_configuration(_triton.address, _http_triton.address))
    return write_configuration(tmp_path_factory.mktemp("logs"), content)


@pytest.fixture(scope="module")
def _server(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("gunicorn", configuration, tmp_path_factory.mktemp("plain") / "log") as found:
        yield found


@pytest.fixture
def server(_server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Server:
    """The same for all tests that need no settings of their own."""
    return _server


@pytest.fixture(scope="module")
def _talkative(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"LOG_LEVEL": "DEBUG", "VERBOSE": "true", "SERVER_LOG_LEVEL": "debug"}
    log = tmp_path_factory.mktemp("talkative") / "log"
    with running("gunicorn", configuration, log, **settings) as found:
        yield found


@pytest.fixture
def talkative(
    _talkative: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> Server:
    """The same for all that want to know everything."""
    return _talkative


def events(server: Server) -> list[dict[str, Any]]:
    """Those whose line is written to its end."""
    *lines, _ = server.log_text().split("\n")
    return [json.loads(line) for line in lines]


def line_of(server: Server, request_id: str) -> dict[str, Any]:
    """The line of this request, once it is written."""

    def found() -> list[dict[str, Any]]:
        lines = [event for event in events(server) if event["logger"] == "app.requests"]
        return [event for event in lines if event["request_id"] == request_id]

    wait_until(lambda: bool(found()), "the line of the request")
    (event,) = found()
    return event


# Loaded by gunicorn's master, in which it does what a library may do.
LIBRARY = """
import logging, os, sys, threading, time, warnings

def act():
    while not os.path.exists({go!r}):
        time.sleep(0.05)
    warnings.warn("mind the gap")
    logging.getLogger("library").error("a\\nb")

if "gunicorn" in " ".join(sys.orig_argv):
    threading.Thread(target=act, daemon=True).start()
"""


@pytest.fixture(scope="module")
def life(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> list[dict[str, Any]]:
    """All events of a service that logs prompts and has a library, from its start to its end."""
    _triton.reset()
    _http_triton.reset()
    folder = tmp_path_factory.mktemp("life")
    go = folder / "go"
    (folder / "sitecustomize.py").write_text(LIBRARY.format(go=str(go)))
    content = unhurried(standard_configuration(_triton.address, _http_triton.address))
    configuration = write_configuration(folder, content)
    settings = {"PYTHONPATH": str(folder), "LOG_PROMPTS": "true"}
    with service(configuration, folder / "log", **settings) as found:
        talk(found.server, _triton)
        found.server.post("/v1/completions", {**COMPLETION, "prompt": "é" * 100_000})
        found.server.request("GET", "/nothing")
        found.server.request("BREW", "/pot", headers={"bad name": "x"})
        go.touch()
        wait_until(lambda: found.logged('"library"') == 1, "the library's error")
        configuration.write_text('{"llm": 1}')
        found.signal(signal.SIGHUP)
        wait_until(lambda: found.logged("not reloaded") == 1, "the refusal")
        found.signal(signal.SIGTERM)
        assert found.exit_code(60) == 0
        return events(found.server)


def test_every_line_is_json(life: list[dict[str, Any]]) -> None:
    assert {"app.requests", "app.publish_config", "app.worker", "gunicorn.error"} <= {
        event["logger"] for event in life
    }
    for event in life:
        assert {"time", "level", "logger", "pid", "message"} <= event.keys()


def test_warnings_and_libraries_come_in_the_same_form(life: list[dict[str, Any]]) -> None:
    told = {event["logger"]: event for event in life}
    assert told["py.warnings"]["level"] == "WARNING"
    assert "mind the gap" in told["py.warnings"]["message"]
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
    goes_on = threading.Event()
    triton.script = halting(goes_on)
    connection = server.send("/v1/completions", {**COMPLETION, "stream": True})
    response = connection.getresponse()
    request_id = response.headers["x-request-id"]
    assert response.readline().startswith(b"data: ")
    assert request_id not in server.log_text()
    time.sleep(0.2)
    goes_on.set()
    response.read()
    told = line_of(server, request_id)
    assert told["stream"] is True
    assert told["seconds"] - told["first_token_seconds"] > 0.1


def halting(goes_on: threading.Event) -> Script:
    """One token, and the others once the test or the client says so."""

    def script(request: Any, context: Any) -> Iterator[Any]:
        answers = Generated(token_ids(" a b c"))(request, context)
        yield next(answers)
        while not goes_on.wait(0.01) and context.is_active():
            pass
        yield from answers

    return script


def test_a_client_that_leaves(server: Server, triton: ScriptedTriton) -> None:
    triton.script = halting(threading.Event())
    with server.stream("/v1/completions", COMPLETION) as stream:
        request_id = stream.response.headers["x-request-id"]
        next(stream.lines())
    told = line_of(server, request_id)
    assert (told["status"], told["outcome"]) == (499, "client_gone")
    assert told["completion_tokens"] == 1


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
    of_it = [event for event in events(server) if event.get("request_id") == request_id]
    (failure,) = [event for event in of_it if event["level"] == "ERROR"]
    assert "boom" in failure["message"]


def test_what_is_refused(server: Server) -> None:
    answer = server.post("/v1/completions", {"model": LLM, "prompt": 1})
    told = line_of(server, answer.headers["x-request-id"])
    assert (told["status"], told["outcome"]) == (400, "refused")
    assert "first_token_seconds" not in told


def test_probes_that_are_well_are_told_by_debug_only(server: Server, talkative: Server) -> None:
    for asked, expected in ((server, 0), (talkative, 1)):
        answer = asked.get("/livez")
        other = asked.get("/v1/models")
        line_of(asked, other.headers["x-request-id"])
        ids = [event.get("request_id") for event in events(asked)]
        assert ids.count(answer.headers["x-request-id"]) == expected


# ---- prompts


def talk(server: Server, triton: ScriptedTriton) -> None:
    """Ask everything with a secret, and have it answered with one."""
    triton.script = Generated([*token_ids(f" {ANSWER}"), 2])
    message = [{"role": "user", "content": SECRET}]
    asked = ("/v1/completions", {"prompt": SECRET}), ("/v1/chat/completions", {"messages": message})
    answers = [
        server.post(path, {"model": LLM, "max_tokens": 8, **body, "stream": stream})
        for stream in (False, True)
        for path, body in asked
    ]
    answers.append(server.post("/v1/embeddings", {"model": EMBEDDING, "input": SECRET}))
    for answer in answers:
        assert line_of(server, answer.headers["x-request-id"])["outcome"] == "completed"


def test_prompts_and_answers_are_not_logged(talkative: Server, triton: ScriptedTriton) -> None:
    talk(talkative, triton)
    told = talkative.log_text()
    assert "prompt tokens" in told
    assert SECRET not in told
    assert ANSWER not in told


def test_prompts_and_answers_are_logged_where_they_are_asked_for(
    life: list[dict[str, Any]],
) -> None:
    warned = [event for event in life if event["message"] == prompt_log.WARNING]
    assert {event["level"] for event in warned} == {"WARNING"}
    bodies = [event["body"] for event in life if "body" in event]
    (huge,) = [body for body in bodies if SECRET not in body]
    assert len(bodies) == 5 + 1
    assert len(huge) == prompt_log.MAX_CHARACTERS
    answered = [event["text"] for event in life if "text" in event]
    assert answered == [f" {ANSWER}"] * 4
