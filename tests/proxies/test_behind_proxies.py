"""What must be the same behind nginx and HAProxy as before the server itself."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.settings import TABLE
from demo.counters import Counters
from tests.faults.record import Case
from tests.live.http import JSON_HEADERS, Server
from tests.live.waiting import wait_until

pytestmark = [pytest.mark.whole, pytest.mark.case("E3", "Behind nginx and HAProxy")]

COMPLETIONS = "/v1/completions"
STORY: dict[str, Any] = {
    "prompt": "Once upon a time",
    "max_tokens": 400,
    "temperature": 0,
    # Without it the story may be over before the client has gone.
    "repetition_penalty": 1.3,
}
SHORT = {**STORY, "model": "ft-slow", "max_tokens": 30}
# It takes 0.2 s; the rest is for a machine that is busy.
SOON = 6.0
(MAX_BODY_BYTES,) = (row.default for row in TABLE if row.name == "max_body_bytes")

ReadCounters = Callable[[str], Counters]


def test_events_pass_one_by_one(proxy: Server, slow_counters: ReadCounters) -> None:
    before = slow_counters("ft-slow").completed
    with proxy.stream(COMPLETIONS, SHORT) as stream:
        lines = stream.lines()
        assert next(lines).startswith("data: ")
        # The model is at its first tokens of thirty.
        assert slow_counters("ft-slow").completed == before
        rest = list(lines)
    assert rest[-1] == "data: [DONE]"
    assert len(rest) > 20


def leave_stream(server: Server) -> None:
    with server.stream(COMPLETIONS, {**STORY, "model": "ft-slow"}) as stream:
        next(stream.lines())


def leave_before_the_first_token(server: Server) -> None:
    connection = server.send(COMPLETIONS, {**STORY, "model": "ft-late", "stream": True})
    time.sleep(0.5)
    connection.close()


def leave_whole_answer(server: Server) -> None:
    connection = server.send(COMPLETIONS, {**STORY, "model": "ft-slow"})
    time.sleep(0.5)
    connection.close()


def close_one_half(server: Server) -> http.client.HTTPConnection:
    """A client that says it will send no more: nothing tells it from one that has gone."""
    connection = server.send(COMPLETIONS, {**STORY, "model": "ft-slow"})
    time.sleep(0.5)
    connection.sock.shutdown(socket.SHUT_WR)
    return connection


LEAVING: dict[Callable[[Server], Any], str] = {
    leave_stream: "ft-slow",
    leave_before_the_first_token: "ft-late",
    leave_whole_answer: "ft-slow",
    close_one_half: "ft-slow",
}


@pytest.mark.case("E3", "clients leave")
@pytest.mark.parametrize(("leave", "model"), LEAVING.items())
def test_a_client_that_leaves_ends_its_request(
    case: Case,
    proxy: Server,
    slow_counters: ReadCounters,
    leave: Callable[[Server], Any],
    model: str,
) -> None:
    case.title = f"{leave.__name__.replace('_', ' ')}, behind {proxy.log.parent.parent.name[:-1]}"
    case.injects("the client goes away", 1)
    before = slow_counters(model)
    kept = leave(proxy)
    left = time.monotonic()
    wait_until(
        lambda: slow_counters(model).cancelled == before.cancelled + 1, "the cancellation", SOON
    )
    case.at_most("until the model was told", time.monotonic() - left, bar=1)
    case.exactly(
        "answers that went on to their end", slow_counters(model).completed, before.completed
    )
    if kept is not None:
        kept.close()


def test_errors_pass_as_they_are(proxy: Server) -> None:
    with proxy.stream(COMPLETIONS, {**STORY, "model": "narrow"}) as stream:
        next(stream.lines())
        overloaded = proxy.post(COMPLETIONS, {**SHORT, "model": "narrow"})
    away = proxy.post(COMPLETIONS, {**SHORT, "model": "away"})
    unknown = proxy.post(COMPLETIONS, {**SHORT, "model": "nobody"}, **{"X-Request-Id": "mine"})
    assert code_of(overloaded) == (429, "model_overloaded")
    assert code_of(away) == (503, "backend_unavailable")
    assert code_of(unknown) == (404, "model_not_found")
    assert unknown.headers["x-request-id"] == "mine"
    for answer in (overloaded, away):
        assert int(answer.headers["Retry-After"]) >= 1
        assert int(answer.headers["retry-after-ms"]) >= 1000


def code_of(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status, error["code"]


def test_one_connection_serves_many_requests(proxy: Server) -> None:
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=60)
    connection.connect()
    first = connection.sock
    for model, status in (("ft-slow", 200), ("nobody", 404), ("away", 503), ("ft-slow", 200)):
        body = json.dumps({**SHORT, "model": model, "max_tokens": 2})
        connection.request("POST", COMPLETIONS, body, JSON_HEADERS)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is first
    connection.close()


def padded(size: int) -> bytes:
    body = json.dumps({**SHORT, "max_tokens": 2}).encode()
    return body + b" " * (size - len(body))


def pieces(size: int) -> Any:
    body = padded(size)
    return (body[start : start + 65536] for start in range(0, size, 65536))


@pytest.mark.parametrize("make", [padded, pieces], ids=["with a length", "in chunks"])
def test_the_largest_body_passes_and_a_larger_one_does_not(
    proxy: Server, make: Callable[[int], Any]
) -> None:
    assert proxy.request("POST", COMPLETIONS, make(MAX_BODY_BYTES), JSON_HEADERS).status == 200
    answer = proxy.request("POST", COMPLETIONS, make(MAX_BODY_BYTES + 1), JSON_HEADERS)
    assert code_of(answer) == (413, "request_too_large")
