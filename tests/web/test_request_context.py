"""Request ids, headers and log lines."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.applications import LLM
from tests.scripted_triton import ScriptedTriton


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


@pytest.mark.parametrize("given", ["a", "A-b_c.d:9", "x" * 128])
@pytest.mark.parametrize("path", ["/health", "/nope", "/v1/models"])
def test_a_good_id_is_kept(client: FlaskClient, given: str, path: str) -> None:
    response = client.get(path, headers={"x-request-id": given})
    assert response.headers.getlist("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ü", "a/b", "<x>", "a,b", "a;b", "\t"])
def test_any_other_id_is_replaced(client: FlaskClient, given: str) -> None:
    response = client.get("/health", headers={"x-request-id": given})
    (found,) = response.headers.getlist("x-request-id")
    assert found != given
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", found)


def test_every_request_gets_its_own_id(client: FlaskClient) -> None:
    ids = {client.get("/health").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


def test_triton_gets_the_same_id(client: FlaskClient, triton: ScriptedTriton) -> None:
    response = client.post(
        "/v1/completions", json={"model": LLM, "prompt": "a"}, headers={"x-request-id": "mine-1"}
    )
    assert response.headers["x-request-id"] == triton.requests[0].id == "mine-1"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("app.requests")
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)


@pytest.mark.parametrize("injected", ["\n", "\r", "\x1b[31m", "\x00", "\x7f", "\u2028", "\x85"])
def test_no_path_can_forge_a_log_line(client: FlaskClient, lines: list[str], injected: str) -> None:
    # The line is written when the response is closed.
    client.get("/x" + quote(injected) + "forged").close()
    (line,) = lines
    assert line.isprintable()
    assert line.isascii()


def test_a_log_line_says_what_was_asked_and_answered(client: FlaskClient, lines: list[str]) -> None:
    client.get("/v1/models", headers={"x-request-id": "mine-1"}).close()
    (line,) = lines
    assert all(word in line for word in ("mine-1", "GET", "/v1/models", "200"))
