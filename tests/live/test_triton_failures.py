"""What clients see when Triton is away, dies, hangs or comes back changed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from demo.variants import write_repository
from tests.applications import build_application
from tests.live.fixtures import START_SECONDS
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.live.test_generation import CHAT, COMPLETIONS, chat, completion
from tests.live.test_grpc_client import is_running
from tests.live.waiting import LATE, wait_until

SLOW = completion("Once upon a time", model="ft-slow", max_tokens=400, repetition_penalty=1.3)
EMBED = {"model": "all-minilm-l6-v2", "input": "hello"}
# What a client sees comes long before the last of them.
TIMEOUTS = {"connect": 1, "first_token": 2, "between_tokens": 2, "total": 120}
# The same models, for which a busy machine is never late.
PATIENT_EMBED = {"model": "patient", "input": "hello"}
PATIENT_SLOW = {**SLOW, "model": "patient-slow"}
PATIENT = {"connect": 60, "first_token": 60, "between_tokens": 60, "total": 120}
# One whose first comment comes long before its first token is late.
SILENT_SLOW = {**SLOW, "model": "silent-slow"}
SILENT = {**PATIENT, "first_token": 6}


@pytest.fixture(scope="module")
def own_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A Triton that the tests of this file may stop, kill and freeze. Not started yet."""
    folder = tmp_path_factory.mktemp("failing")
    write_repository(folder, ["ft-slow"])
    for name in ("demo-chat", "all-minilm-l6-v2"):
        (folder / name).mkdir()
        (folder / name / "1").symlink_to(DEMO / "repository" / name / "1")
        text = (DEMO / "repository" / name / "config.pbtxt").read_text()
        absolute = text.replace("../../models", str(DEMO / "models"))
        (folder / name / "config.pbtxt").write_text(absolute)
    server = TritonServer([folder], *free_ports(3))
    yield server
    # Nobody waits for what it still has to do.
    if server.is_ready():
        server.kill()
    server.stop()


@pytest.fixture(scope="module")
def server(own_triton: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application, started while its Triton is not there, with short deadlines."""
    folder = tmp_path_factory.mktemp("failing-gateway")
    chat_model, minilm = str(DEMO / "models/demo-chat"), str(DEMO / "models/all-minilm-l6-v2")
    llm = {"url": own_triton.grpc_url, "path": chat_model}
    # On a connection of its own, which no impatient model takes for dead.
    silent = {"url": own_triton.grpc_url.replace("127.0.0.1", "localhost"), "timeouts": SILENT}
    encoder = {"url": own_triton.http_url, "path": minilm, "triton_model": EMBED["model"]}
    content: dict[str, Any] = {
        "llm": [
            {**llm, "name": "demo-chat", "timeouts": TIMEOUTS},
            {**llm, "name": "ft-slow", "timeouts": TIMEOUTS},
            {**llm, "name": "patient-slow", "triton_model": "ft-slow", "timeouts": PATIENT},
            {**llm, **silent, "name": "silent-slow", "triton_model": "ft-slow"},
            {**llm, "name": "not-in-triton", "timeouts": PATIENT},
        ],
        "embedding": [
            {**encoder, "name": EMBED["model"], "timeouts": TIMEOUTS},
            {**encoder, "name": PATIENT_EMBED["model"], "timeouts": PATIENT},
        ],
    }
    path = write_configuration(folder / "models.json", content)
    with running("gunicorn", path, folder / "log", KEEP_ALIVE_INTERVAL="0.3") as server:
        yield server


@pytest.fixture
def stopped_triton(own_triton: TritonServer) -> TritonServer:
    """The same, not running."""
    own_triton.stop()
    return own_triton


@pytest.fixture
def running_triton(server: Server, own_triton: TritonServer) -> TritonServer:
    """The same, ready, and the application has seen it."""
    if is_running(own_triton):
        own_triton.wait_until_ready(START_SECONDS)
    else:
        start(own_triton)
    wait_until(lambda: is_well(server), "an answer")
    return own_triton


def start(triton: TritonServer) -> None:
    triton.start()
    triton.wait_until_ready(START_SECONDS)


def is_well(server: Server) -> bool:
    """Whether it answers with each model, of which each has its own opinion of the Triton."""
    return (
        server.post(CHAT, chat("hello", max_tokens=3)).status == 200
        and server.post(COMPLETIONS, {**SLOW, "max_tokens": 1}).status == 200
        and server.post("/v1/embeddings", EMBED).status == 200
    )


def error_of(answer: Any) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    for secret in ("127.0.0.1", "/", "Traceback", "grpc", "tcp"):
        assert secret not in error["message"]
    return error


def test_the_application_says_so_without_its_triton(
    server: Server, stopped_triton: TritonServer
) -> None:
    assert server.get("/health").status == 200
    report = server.get("/readyz")
    assert report.status == 503
    assert not any(model["ready"] for model in report.json()["models"].values())
    for path, body in (
        (CHAT, chat("hello")),
        (CHAT, chat("hello", stream=True)),
        ("/v1/embeddings", EMBED),
    ):
        started = time.monotonic()
        answer = server.post(path, body)
        assert answer.status == 503
        assert time.monotonic() - started < 1 + LATE
        assert error_of(answer)["code"] == "backend_unavailable"
        assert answer.headers["Retry-After"] == "1"


def test_it_works_as_soon_as_triton_is_there(server: Server, stopped_triton: TritonServer) -> None:
    start(stopped_triton)
    wait_until(lambda: is_well(server), "an answer", LATE)


def test_a_model_that_triton_does_not_have(server: Server, running_triton: TritonServer) -> None:
    answer = server.post(CHAT, chat("hello", model="not-in-triton"))
    assert answer.status == 503
    assert error_of(answer)["code"] == "backend_model_missing"
    wait_until(lambda: readiness(server)["demo-chat"], "the other model")
    assert not readiness(server)["not-in-triton"]


def readiness(server: Server) -> dict[str, bool]:
    models = server.get("/readyz").json()["models"]
    return {name: model["ready"] for name, model in models.items()}


def test_a_killed_triton_ends_streams_with_an_error_and_comes_back(
    server: Server, running_triton: TritonServer
) -> None:
    with server.stream(COMPLETIONS, PATIENT_SLOW) as stream:
        lines = stream.lines()
        next(lines)
        running_triton.kill()
        rest = list(lines)
    assert '"error"' in rest[-1]
    assert '"backend_unavailable"' in rest[-1]
    assert "data: [DONE]" not in rest
    assert server.post(CHAT, chat("hello")).status == 503
    start(running_triton)
    wait_until(lambda: is_well(server), "an answer after the restart")


def test_a_frozen_triton_is_a_timeout(server: Server, running_triton: TritonServer) -> None:
    with server.stream(COMPLETIONS, SLOW) as stream:
        lines = stream.lines()
        next(lines)
        os.killpg(running_triton.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            rest = list(lines)
            assert time.monotonic() - started < 2 + LATE
            assert '"backend_timeout"' in rest[-1]
            answer = server.post(CHAT, chat("hello"))
            assert answer.status in (503, 504)
            embedded = server.post("/v1/embeddings", EMBED)
            assert embedded.status in (503, 504)
            error_of(embedded)
        finally:
            os.killpg(running_triton.pid, signal.SIGCONT)
    wait_until(lambda: is_well(server), "an answer after the pause")


def test_silence_is_filled_with_comments_and_bounded(
    server: Server, running_triton: TritonServer
) -> None:
    # With a connection that works, as now, the first thing to be missed is the first token.
    assert server.post(COMPLETIONS, {**SILENT_SLOW, "max_tokens": 1}).status == 200
    os.killpg(running_triton.pid, signal.SIGSTOP)
    try:
        with server.stream(COMPLETIONS, SILENT_SLOW) as stream:
            # The deadline of 6 s comes after the first comment, so it can only be an event.
            assert stream.response.status == 200
            lines = list(stream.lines())
        assert lines[0] == ": keep-alive"
        assert '"backend_timeout"' in lines[-1]
    finally:
        os.killpg(running_triton.pid, signal.SIGCONT)
    wait_until(lambda: is_well(server), "an answer after the pause")


def test_a_triton_that_is_slow_to_greet_is_waited_for(
    running_triton: TritonServer, tmp_path: Path
) -> None:
    """A busy host may take its time to answer a new connection; that is not to be away."""
    entry = {
        "name": "demo-chat",
        "url": running_triton.grpc_url,
        "path": str(DEMO / "models/demo-chat"),
        "timeouts": PATIENT,
    }
    client = build_application(tmp_path, {"llm": [entry]}).test_client()
    os.killpg(running_triton.pid, signal.SIGSTOP)
    goes_on = threading.Timer(0.6, os.killpg, (running_triton.pid, signal.SIGCONT))
    goes_on.start()
    assert client.post(CHAT, json=chat("hello", max_tokens=3)).status_code == 200
    goes_on.join()


def test_a_model_that_changed_over_a_restart_is_read_again(
    server: Server, running_triton: TritonServer
) -> None:
    assert server.post("/v1/embeddings", PATIENT_EMBED).status == 200
    config = running_triton.repositories[0] / "all-minilm-l6-v2" / "config.pbtxt"
    text = config.read_text()
    running_triton.kill()
    config.write_text(text.replace("TYPE_INT64", "TYPE_INT32"))
    try:
        start(running_triton)
        # No request in between: the first one after the restart must already be right.
        assert server.post("/v1/embeddings", PATIENT_EMBED).status == 200
    finally:
        config.write_text(text)
        running_triton.kill()
