"""Servers that die, stop and come back behind nginx and HAProxy."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.ports import LOOPBACK, free_ports
from tests.applications import write_configuration
from tests.clients.failing import configuration, play
from tests.faults.record import Case
from tests.live.http import JSON_HEADERS, Answer, Server
from tests.live.servers import running
from tests.live.waiting import wait_until
from tests.proxies.programs import PROXIES, proxied
from tests.scripted_triton import ScriptedTriton

pytestmark = [pytest.mark.whole, pytest.mark.case("E3", "Proxies, and servers that stop")]

COMPLETIONS = "/v1/completions"
GOOD = {"model": "good-own", "prompt": "a"}
STORY = {"model": "story-own", "prompt": "a", "max_tokens": 400}
DRAIN_DELAY = 3
SOON = (503, "1")
# How long a proxy waits for the server.
LIMIT = {"nginx": "proxy_read_timeout 610s", "haproxy": "timeout server 610s"}
# More servers than one, as nginx and HAProxy write it.
SECOND = {
    "nginx": ("server {};\n", "server {};\n        server {};\n"),
    "haproxy": ("server one {}\n", "server one {}\n    server two {}\n"),
}


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedTriton]:
    triton = ScriptedTriton()
    triton.script = play
    yield triton
    triton.stop()


@pytest.fixture
def models(scripted: ScriptedTriton, tmp_path: Path) -> Path:
    return write_configuration(tmp_path, configuration(scripted, ["own"]))


@pytest.mark.parametrize("kind", PROXIES)
def test_a_killed_worker_cuts_its_streams_visibly(kind: str, models: Path, tmp_path: Path) -> None:
    with (
        running("gunicorn", models, tmp_path / "log") as server,
        proxied(kind, server.port, tmp_path / kind) as proxy,
        proxy.stream(COMPLETIONS, STORY) as stream,
    ):
        next(stream.lines())
        os.kill(worker_of(server), signal.SIGKILL)
        # A clean end would look like a whole answer.
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            stream.response.read()
        wait_until(lambda: proxy.post(COMPLETIONS, GOOD).status == 200, "the next worker", 30)


def worker_of(server: Server) -> int:
    """The process id of the only worker."""
    (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize("kind", PROXIES)
def test_without_a_server_the_proxy_answers_in_openais_form(kind: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with proxied(kind, port, tmp_path / kind) as proxy:
        answer = proxy.post(COMPLETIONS, GOOD)
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Retry-After"] == "1"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "server_unavailable"


@pytest.mark.parametrize("kind", PROXIES)
def test_a_server_that_is_late_is_not_asked_again(kind: str, models: Path, tmp_path: Path) -> None:
    edits = {LIMIT[kind]: LIMIT[kind].replace("610s", "1s")}
    with (
        running("gunicorn", models, tmp_path / "log") as server,
        proxied(kind, server.port, tmp_path / kind, edits) as proxy,
    ):
        answer = proxy.post(COMPLETIONS, {"model": "silent-own", "prompt": "a"})
    assert answer.status == 504
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == "server_timeout"


class Load:
    """Asks again and again on one connection, until told to stop."""

    def __init__(self, proxy: Server) -> None:
        self._proxy = proxy
        self._is_over = threading.Event()
        self.answers: list[Answer] = []
        self._thread = threading.Thread(target=self._ask)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join(60)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self._proxy.port, timeout=60)
        while not self._is_over.is_set():
            connection.request("POST", COMPLETIONS, json.dumps(GOOD), JSON_HEADERS)
            response = connection.getresponse()
            self.answers.append(Answer(response.status, response.headers, response.read()))
            time.sleep(0.02)


@pytest.mark.case("E3", "a server is stopped")
@pytest.mark.parametrize("kind", PROXIES)
def test_one_of_two_servers_is_stopped_under_load(
    case: Case, kind: str, models: Path, tmp_path: Path
) -> None:
    delay = {"DRAIN_DELAY": str(DRAIN_DELAY)}
    with (
        running("gunicorn", models, tmp_path / "one", **delay) as one,
        running("gunicorn", models, tmp_path / "two", **delay) as two,
        proxied(kind, one.port, tmp_path / kind, second_server(kind, one, two)) as proxy,
    ):
        load = Load(proxy)
        with load.running():
            wait_until(lambda: is_used(one) and is_used(two), "requests to both", 20)
            os.kill(one.pid, signal.SIGTERM)
            wait_until(lambda: not is_alive(one), "the end of the first server", 60)
            num_answers = len(load.answers)
            wait_until(lambda: len(load.answers) > num_answers + 20, "answers of the second", 30)
    refused = [answer for answer in load.answers if answer.status != 200]
    case.title = f"one of two servers is stopped, behind {kind}"
    case.injects("SIGTERM to one of two servers under load", 1)
    unadvised = [each for each in refused if (each.status, each.headers["Retry-After"]) != SOON]
    case.exactly("answers that are neither 200 nor a 503 with Retry-After", len(unadvised), 0)
    if kind == "haproxy":
        # It looks at /readyz; nginx knows a server only by how it answers.
        case.exactly("calls that failed", len(refused), 0)


def second_server(kind: str, one: Server, two: Server) -> dict[str, str]:
    """The edit that adds the second server to the proxy's file."""
    old, new = SECOND[kind]
    addresses = [f"{LOOPBACK}:{server.port}" for server in (one, two)]
    return {old.format(addresses[0]): new.format(*addresses)}


def is_used(server: Server) -> bool:
    return f"POST {COMPLETIONS} 200" in server.log_text()


def is_alive(server: Server) -> bool:
    with Path(f"/proc/{server.pid}/stat").open() as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
