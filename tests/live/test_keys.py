"""Keys under gunicorn with two workers: rotation, limits, and what no client library sends."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.applications import LLM, standard_configuration
from tests.applications import write_configuration as write_standard
from tests.faults.bench.gateway import NUM_WORKERS, Gateway
from tests.faults.bench.processes import children
from tests.live.entries import unhurried
from tests.live.http import JSON_HEADERS, TIMEOUT, Answer, OpenStream, Server
from tests.live.services import START_SECONDS
from tests.live.waiting import LATE, wait_until
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton, say

PLAIN, MINUTE, ONE = "sk-plain-0123", "sk-minute-0123", "sk-one-0123"
LIMIT = 5
LINES = (
    f"{PLAIN} name=plain",
    f"{MINUTE} name=minute requests_per_minute={LIMIT}",
    f"{ONE} name=one concurrent_requests=1 tokens_per_minute=100000",
)
# Requests in a row that are refused until all workers are taken to refuse.
MANY = 20


class Keyed:
    """The gateway and its key file."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server = server
        self._path = path

    def write(self, *lines: str) -> None:
        new = self._path.with_suffix(".new")
        new.write_text("\n".join(lines))
        os.replace(new, self._path)

    def get(self, key: str | None, path: str = "/v1/models") -> Answer:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self.server.request("GET", path, headers=headers)

    def stream(self, key: str) -> OpenStream:
        body = {"model": LLM, "prompt": "a", "stream": True}
        headers = {**JSON_HEADERS, "Authorization": f"Bearer {key}"}
        connection = HTTPConnection(self.server.host, self.server.port, timeout=TIMEOUT)
        connection.request("POST", "/v1/completions", json.dumps(body).encode(), headers)
        return OpenStream(connection)


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    content = unhurried(standard_configuration(_triton.address, _http_triton.address))
    configuration = write_standard(folder, content)
    keys = folder / "keys.txt"
    keys.write_text("\n".join(LINES))
    environment = {"API_KEYS_FILE": str(keys)}
    with Gateway(configuration, folder / "log", environment).running() as gateway:
        yield Keyed(gateway.server, keys)
        log = gateway.server.log_text()
    assert "sk-" not in log
    assert "Traceback" not in log


def raw(server: Server, *lines: str) -> tuple[int, dict[str, object]]:
    """The status and the body of a request that is sent as it is written."""
    with socket.create_connection((server.host, server.port), TIMEOUT) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


GOOD = f"Authorization: Bearer {PLAIN}"


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /v1/models HTTP/1.1", "Host: a"],
        ["GET /v1/models HTTP/1.1", "Host: a/?x"],
        ["GET /v1/models HTTP/1.1", "Host: a/health#"],
        ["GET http://a/v1/models HTTP/1.1", "Host: a"],
        ["GET http://a/health/../v1/models HTTP/1.1", "Host: a/health"],
        ["GET //health/v1/models HTTP/1.1", "Host: a"],
        ["GET /health/%2e%2e/v1/models HTTP/1.1", "Host: a"],
        ["GET /health%2f..%2fv1/models HTTP/1.1", "Host: a"],
        ["GET /v1/models;/health HTTP/1.1", "Host: a"],
        ["GET /v1/models%3f/health HTTP/1.1", "Host: a"],
        ["GET /v1/models?api_key=sk-plain-0123 HTTP/1.1", "Host: a"],
        ["GET /v1/models HTTP/1.1", "Host: a", "X-Original-URL: /health"],
        ["GET /v1/models HTTP/1.1", "Host: a", "SCRIPT_NAME: /health"],
        ["GET /v1/models HTTP/1.1", "Host: a", "Script-Name: /v1/models", "Path-Info: /health"],
        ["GET /v1/models HTTP/1.1", "Host: a", GOOD, GOOD],
        ["GET /v1/models HTTP/1.1", "Host: a", "Authorization: Bearer x", GOOD],
        ["GET /v1/models HTTP/1.1", "Host: a", "Authorization: Bearer sk-\xe4"],
        ["GET /v1/models HTTP/1.1", "Host: a", "Authorization: Bearer " + "k" * 8000],
        ["OPTIONS * HTTP/1.1", "Host: a"],
        ["OPTIONS /metrics HTTP/1.1", "Host: a"],
        ["POST /health HTTP/1.1", "Host: a", "Content-Length: 0"],
        ["POST /v1/completions HTTP/1.1", "Host: a", "Content-Length: 10737418240"],
    ],
    ids=lambda lines: " ".join(lines)[:60],
)
def test_nothing_gets_past(keyed: Keyed, lines: list[str]) -> None:
    """Either it is no HTTP, or it needs a key."""
    status, body = raw(keyed.server, *lines)
    assert status in (400, 401)
    assert set(body) == {"error"}
    if "Host: a" in lines:
        assert status == 401


def test_with_a_key_the_same_is_answered(keyed: Keyed) -> None:
    assert raw(keyed.server, "GET /v1/models HTTP/1.1", "Host: a", GOOD)[0] == 200
    assert raw(keyed.server, "GET http://b/v1/models HTTP/1.1", "Host: a", GOOD)[0] == 200


def test_a_removed_key_is_refused_and_a_new_one_let_in(keyed: Keyed) -> None:
    """By every worker, while no request of another key fails."""
    keyed.write("sk-new-0123", *LINES[1:], LINES[0])
    wait_until(lambda: statuses(keyed, "sk-new-0123") == {200}, "a new key's arrival")
    keyed.write(*LINES)
    changed_at = time.monotonic()
    num_refused = 0
    while num_refused < MANY:
        assert time.monotonic() - changed_at < 5 + LATE
        assert keyed.get(PLAIN).status == 200
        is_refused = keyed.get("sk-new-0123").status == 401
        num_refused = num_refused + 1 if is_refused else 0


def test_a_broken_file_leaves_the_keys_as_they_are(keyed: Keyed) -> None:
    keyed.write("sk-other-0123 this is no option")
    wait_until(lambda: has_said(keyed, "the keys stay as they were"), "a look at the file")
    assert statuses(keyed, PLAIN) == {200}
    keyed.write(*LINES)


def test_a_worker_that_starts_while_the_file_is_broken_has_the_same_keys(keyed: Keyed) -> None:
    keyed.write("sk-other-0123 this is no option")
    before = children(keyed.server.pid)
    num_ready = keyed.server.log_text().count("Worker ready")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: keyed.server.log_text().count("Worker ready") == num_ready + NUM_WORKERS,
        "two more",
        START_SECONDS,
    )
    assert not set(children(keyed.server.pid)) & set(before)
    assert statuses(keyed, PLAIN) == {200}
    assert statuses(keyed, "sk-other-0123") == {401}
    assert keyed.server.log_text().count("the keys are the 3 before") == NUM_WORKERS
    keyed.write(*LINES)


def statuses(keyed: Keyed, key: str) -> set[int]:
    return {keyed.get(key).status for _ in range(8)}


def has_said(keyed: Keyed, words: str) -> bool:
    """Ask, so that the workers look at the file, and see whether one has said so."""
    statuses(keyed, PLAIN)
    return words in keyed.server.log_text()


def test_each_worker_has_the_requests_of_a_minute(keyed: Keyed) -> None:
    started = time.monotonic()
    answers = [keyed.get(MINUTE) for _ in range(30)]
    # A busy machine may see the next minute begin.
    num_windows = 1 + (time.monotonic() - started) // 60
    granted = sum(answer.status == 200 for answer in answers)
    assert LIMIT <= granted <= NUM_WORKERS * LIMIT * num_windows
    # Which worker takes a request is the system's choice: the last may meet one with some left.
    refused = [answer for answer in answers if answer.status == 429][-1]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"


def test_a_client_that_goes_away_gives_its_place_back(keyed: Keyed, triton: ScriptedTriton) -> None:
    triton.script = say(then_silent=120)
    for _ in range(2):
        with ExitStack() as stack:
            found = []
            for _ in range(12):
                stream = keyed.stream(ONE)
                stack.callback(stream.close)
                found.append(stream.response.status)
            assert 1 <= found.count(200) <= NUM_WORKERS
            assert set(found) == {200, 429}
        wait_until(lambda: statuses(keyed, ONE) == {200}, "the end of all places")
