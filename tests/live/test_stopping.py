"""SIGTERM: open requests end in order, and the full server still answers for itself."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from demo.counters import Counters
from tests.live.entries import only
from tests.live.http import JSON_HEADERS, Answer, OpenStream, Server
from tests.live.leaving import at_rest
from tests.live.servers import write_configuration
from tests.live.services import START_SECONDS, Service, service
from tests.live.test_encoders import MODEL
from tests.live.test_generation import COMPLETIONS, completion
from tests.live.test_reload import load
from tests.live.waiting import LATE, wait_until

PROMPT = "Once upon a time"
# More tokens than there is time for, at 50 ms each; the story itself would end after 7 s.
LONG = completion(PROMPT, model="ft-slow", max_tokens=1900, ignore_eos=True)
SHORT = completion(PROMPT, model="ft-slow", max_tokens=10)
# Of another model than those that are counted.
SOON = completion(PROMPT, max_tokens=1)
NUM_EACH = 4
# So there are 10 s for what is open, and then an error.
GRACEFUL = 15
MAX_CONNECTIONS = 10
MAX_WORK = 9
Count = Callable[[str], Counters]


@pytest.fixture(scope="module")
def configuration(entries: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the few models that are asked here."""
    path = tmp_path_factory.mktemp("stopping") / "models.json"
    return write_configuration(path, only(entries, ("demo-chat", "ft-slow", MODEL)))


@pytest.fixture
def stopping(configuration: Path, tmp_path: Path) -> Iterator[Service]:
    # The body that does not come is waited for until the server stops.
    settings = {"GRACEFUL_TIMEOUT": str(GRACEFUL), "BODY_TIMEOUT": "600"}
    with service(configuration, tmp_path / "log", **settings) as found:
        yield found


def read(server: Server, body: dict[str, object]) -> list[str]:
    with server.stream(COMPLETIONS, body) as stream:
        return [line for line in stream.lines() if not line.startswith(":")]


def test_streams_end_whole_or_with_an_error_and_models_are_told(
    stopping: Service, counters: Count
) -> None:
    server, before = stopping.server, at_rest(counters, "ft-slow")
    half = half_sent(server)
    # What no worker has accepted yet is lost when the listener closes.
    wait_until(lambda: num_open_requests(server) == 1, "that it is accepted")
    with ThreadPoolExecutor(2 * NUM_EACH + 1) as pool:
        long = [pool.submit(read, server, LONG) for _ in range(NUM_EACH)]
        short = [pool.submit(read, server, SHORT) for _ in range(NUM_EACH)]
        whole = pool.submit(server.post, COMPLETIONS, LONG)
        num_open = 2 * NUM_EACH + 1
        wait_until(lambda: counters("ft-slow").started == before.started + num_open, "the start")
        with closing(kept_alive(server)) as idle:
            stopping.signal(signal.SIGTERM)
            check_refusal(idle)
        check_ends(short, long, whole)
        with closing(half):
            assert half.recv(4096).startswith(b"HTTP/1.1 503 ")
    # What is left after this gunicorn has ended by force.
    assert stopping.exit_code(GRACEFUL + LATE) == 0
    assert "Traceback" not in server.log_text()
    assert not Path(f"/proc/{stopping.process.pid}").exists()
    wait_until(
        lambda: counters("ft-slow").cancelled == before.cancelled + NUM_EACH + 1, "the cancelling"
    )
    assert counters("ft-slow").completed == before.completed + NUM_EACH


def num_open_requests(server: Server) -> float:
    """Those of all workers; what one shows of another is half a second old."""
    text = server.get("/metrics").body.decode()
    found = re.search(r"^openai_api_open_requests (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def half_sent(server: Server) -> socket.socket:
    """A request whose body does not come."""
    connection = socket.create_connection((server.host, server.port), 60)
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    return connection


def kept_alive(server: Server) -> http.client.HTTPConnection:
    """A connection that has served a request and waits for another."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    assert ask(connection, "GET", "/health").status == 200
    return connection


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> Answer:
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, content, JSON_HEADERS)
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


def check_refusal(idle: http.client.HTTPConnection) -> None:
    """Work that comes on a kept connection is refused with its last answer."""
    answers: list[Answer] = []

    def is_last() -> bool:
        # Each answer before it keeps the connection open for five seconds more.
        answers.append(ask(idle, "POST", COMPLETIONS, SOON))
        return answers[-1].headers["Connection"] == "close"

    wait_until(is_last, "the refusal")
    assert {answer.status for answer in answers} <= {200, 503}
    assert answers[-1].status == 503
    assert answers[-1].json()["error"]["code"] == "backend_unavailable"
    assert answers[-1].headers["Retry-After"] == "1"


def check_ends(
    short: list[Future[list[str]]], long: list[Future[list[str]]], whole: Future[Answer]
) -> None:
    assert all(future.result()[-1] == "data: [DONE]" for future in short)
    for future in long:
        lines = future.result()
        error = json.loads(lines[-1].removeprefix("data: "))["error"]
        assert error["code"] == "backend_unavailable"
        assert error["type"] == "service_unavailable_error"
        assert "stopping" in error["message"]
        assert all('"finish_reason":null' in line for line in lines[:-1])
    assert whole.result().status == 503
    assert whole.result().headers["Retry-After"] == "1"


def test_another_master_takes_over_and_no_call_is_lost(configuration: Path, tmp_path: Path) -> None:
    """As in an upgrade: SIGUSR2, and SIGTERM for the old master when the new one serves."""
    with service(configuration, tmp_path / "log", WORKERS="1") as found:
        server = found.server
        with load(server, "demo-chat") as statuses:
            found.signal(signal.SIGUSR2)
            wait_until(
                lambda: found.logged("Worker ready") == 2, "the second master", START_SECONDS
            )
            found.signal(signal.SIGTERM)
            assert found.exit_code(60) == 0
            num_answers = len(statuses)
            wait_until(lambda: len(statuses) > num_answers + 4, "answers of the new one")
        assert set(statuses) == {200}
        assert "Traceback" not in server.log_text()


@pytest.fixture(scope="module")
def small(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker with few connections, which serves on for a while when it is to stop."""
    settings = {"WORKERS": "1", "WORKER_CONNECTIONS": str(MAX_CONNECTIONS), "DRAIN_DELAY": "600"}
    base = tmp_path_factory.mktemp("small")
    with service(configuration, base / "log", TMPDIR=str(base), **settings) as found:
        yield found


def test_a_full_server_refuses_work_and_answers_for_itself(small: Service) -> None:
    server = small.server
    with ExitStack() as streams:
        for _ in range(MAX_WORK):
            stream: OpenStream = streams.enter_context(server.stream(COMPLETIONS, LONG))
            assert stream.response.status == 200
        refused = server.post(COMPLETIONS, SHORT)
        assert refused.status == 503
        assert refused.json()["error"]["code"] == "server_overloaded"
        assert refused.headers["Retry-After"] == "1"
        for path in ("/health", "/livez", "/readyz", "/version", "/v1/models", "/metrics"):
            assert server.get(path).status == 200, path
    # Their clients have gone, so there is room again.
    body = {"model": MODEL, "input": "hello"}
    wait_until(lambda: server.post("/v1/embeddings", body).status == 200, "room for another")


def test_it_serves_on_while_load_balancers_learn_that_it_stops(small: Service) -> None:
    server = small.server
    assert list(server.log.parent.glob("openai-api-*/snapshot.json"))
    small.signal(signal.SIGTERM)
    wait_until(lambda: server.get("/readyz").status == 503, "the announcement")
    assert server.get("/readyz").json() == {"status": "draining"}
    assert server.get("/health").status == 200
    assert server.post(COMPLETIONS, completion(PROMPT, max_tokens=1)).status == 200
    # Long before the delay is over: a second one does not wait for it.
    small.signal(signal.SIGTERM)
    assert small.exit_code(60) == 0
    assert list(server.log.parent.glob("openai-api-*")) == []
