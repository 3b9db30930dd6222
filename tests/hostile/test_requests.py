"""What is not quite HTTP gets one JSON error, or a closed connection, and poisons nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hostile.requests import BODY, GOOD, REQUESTS, SMUGGLED, chunked, request, sized
from tests.hostile.wire import PROBE, Wire, exchange, open_slow, wire
from tests.live.http import Server
from tests.live.waiting import LATE
from tests.scripted_triton import ScriptedTriton

pytestmark = pytest.mark.case("D4", "Raw requests that smuggle, overflow or break off")

NUM_SLOW, NUM_FLOODS = 60, 5


@pytest.mark.parametrize("name", REQUESTS)
def test_one_answer_or_none(server: Server, name: str) -> None:
    data, expected = REQUESTS[name]
    response = exchange(server, data, may_close="broken" in name)
    assert (None if response is None else response.status) == expected
    if response is not None and response.status != 200:
        response.error()


def test_nothing_of_what_was_sent_comes_back(server: Server) -> None:
    """Neither in the answer nor in the log, where it could pass for something else."""
    before = len(server.log_text())
    for data in (
        request("x-canary: a\x1b[31mcanary"),
        request(target="/canary\x7f", method="GET"),
        request(method="canary"),
        request("canary"),
        chunked(b"canary\r\n"),
        request("Expect: canary"),
        request("Transfer-Encoding: canary"),
    ):
        response = exchange(server, data)
        assert response is not None
        told = response.error()
        assert "canary" not in told["message"]
    assert "canary" not in server.log_text()[before:]


def test_pipelined_requests_are_answered_in_their_order(
    server: Server, triton: ScriptedTriton
) -> None:
    with wire(server) as connection:
        connection.send(sized(len(GOOD), GOOD) + sized(len(BODY), BODY) + SMUGGLED + PROBE)
        statuses = [connection.response() for _ in range(4)]
        assert [each and each.status for each in statuses] == [200, 404, 200, 200]
        assert connection.is_closed()
    assert len(triton.requests) == 1


@pytest.mark.parametrize(
    "name",
    ["a length of the limit", "chunked", "65,536 chunks of one byte", "a trailing slash"],
)
def test_a_connection_serves_on_after_an_error(server: Server, name: str) -> None:
    with wire(server) as connection:
        for _ in range(3):
            connection.send(REQUESTS[name][0])
            response = connection.response()
            assert response is not None
            assert response.status == 404
        connection.send(sized(len(GOOD), GOOD))
        assert getattr(connection.response(), "status", None) == 200


def test_a_short_body_that_nobody_reads_does_not_end_the_connection(server: Server) -> None:
    with wire(server) as connection:
        for _ in range(3):
            connection.send(request("Content-Length: 9", body=b"not read.", target="/nope"))
            assert getattr(connection.response(), "status", None) == 404


@pytest.mark.parametrize("target", ["/health", "/nope", "/v1/models", "/v1/completions"])
def test_head_has_no_body(server: Server, target: str) -> None:
    data = request(method="HEAD", target=target)
    response = exchange(server, data, is_head=True)
    assert response is not None
    assert response.status in (200, 404, 405)
    assert int(response.headers["content-length"]) > 0


def test_headers_that_name_another_path_are_not_heard(server: Server) -> None:
    """gunicorn heeds them from this machine's addresses by default, so from any proxy on it."""
    for name in ("SCRIPT_NAME", "PATH_INFO", "Script-Name", "Path-Info"):
        response = exchange(server, request(f"{name}: /health", method="GET", target="/nope"))
        assert response is not None
        assert response.status in (400, 404)


def test_slow_clients_hold_nobody_up(server: Server) -> None:
    """Others do not wait for the end of these, which is minutes away."""
    connections = open_slow(server, NUM_SLOW)
    for _ in range(3):
        asked = time.monotonic()
        assert server.get("/health").status == 200
        assert time.monotonic() - asked < LATE
        for connection in connections:
            connection.send(b"x")
    assert not any(each.has_ended() for each in connections)
    for connection in connections:
        connection.socket.close()


def test_a_client_that_floods_holds_nobody_up(server: Server) -> None:
    """An unread body without end: others are served, and the connection is closed."""
    # It is closed after 2 seconds, which a busy machine may need for the others' first answer.
    assert any(_num_served_beside_a_flood(server) for _ in range(NUM_FLOODS))


def _num_served_beside_a_flood(server: Server) -> int:
    """Answers to others before its end."""
    with wire(server) as connection, ThreadPoolExecutor(1) as pool:
        connection.send(request(f"Content-Length: {10 * 2**30}", target="/nope"))
        flood, num_answered = pool.submit(_is_cut_off, connection), 0
        while not flood.done():
            assert server.get("/health").status == 200
            # One that comes behind the end may have waited for it.
            num_answered += not flood.done()
        assert flood.result(), "the server reads on and on"
    return num_answered


def _is_cut_off(connection: Wire) -> bool:
    """Send until the server does not listen any more."""
    until = time.monotonic() + 60
    try:
        while time.monotonic() < until:
            connection.socket.sendall(b"x" * 2**16)
    except OSError:
        return True
    return False
