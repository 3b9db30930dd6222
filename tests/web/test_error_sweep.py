"""Every failure of every route and verb is OpenAI's error object."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.errors import ERROR_TYPES, ApiError
from tests.applications import EMBEDDING, LLM, RERANKER
from tests.scripted_triton import (
    Closed,
    Reply,
    ScriptedHttpTriton,
    ScriptedTriton,
    error_message,
    refuse,
    say,
)

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
POSTS = ("/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/rerank")
GETS = ("/", "/v1/models", f"/v1/models/{LLM}", "/health", "/livez", "/readyz", "/version")

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}


def check(response: Any, status: int, *, is_head: bool = False) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert response.headers["x-request-id"]
    assert int(response.headers["openai-processing-ms"]) >= 0
    if is_head:
        assert response.data == b""
        return {}
    assert set(response.json) == {"error"}
    error: dict[str, Any] = response.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == TYPES[status]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["code"] is None or isinstance(error["code"], str)
    return error


def test_the_type_follows_the_status() -> None:
    assert {status: ERROR_TYPES[status] for status in TYPES} == TYPES


def all_errors(kind: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    for child in kind.__subclasses__():
        yield child
        yield from all_errors(child)


@pytest.mark.parametrize("kind", tuple(all_errors()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_has_the_four_keys(kind: type[ApiError]) -> None:
    body = kind("message", param="p").as_dict()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert body["type"] == ERROR_TYPES[kind.status]


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


WRONG_VERBS = [
    *((verb, path, "POST") for path in POSTS for verb in VERBS if verb != "POST"),
    *((verb, path, "GET") for path in GETS for verb in VERBS if verb not in ("GET", "HEAD")),
]


@pytest.mark.parametrize(("verb", "path", "allowed"), WRONG_VERBS)
def test_a_wrong_verb(client: FlaskClient, verb: str, path: str, allowed: str) -> None:
    response = client.open(path, method=verb)
    error = check(response, 405, is_head=verb == "HEAD")
    assert allowed in response.headers["Allow"].split(", ")
    assert verb == "HEAD" or error["code"] == "method_not_allowed"


UNKNOWN = (
    "/v1",
    "/v1/",
    "/v1/chat",
    "/v1/chat/completions/",
    "/v1/models/",
    "//v1/models",
    "/v1//models",
    "/V1/models",
    "/v1/completions/x",
    "/static/x",
    "/%2e%2e/etc/passwd",
    "/v1/models;x",
    "/x%00y",
    "/" + "x" * 3000,
)


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("verb", ["GET", "POST", "OPTIONS", "DELETE"])
def test_an_unknown_page(client: FlaskClient, verb: str, path: str) -> None:
    error = check(client.open(path, method=verb), 404)
    assert error["code"] == "not_found"


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_a_body(client: FlaskClient, path: str) -> None:
    response = client.head(path)
    assert response.status_code == client.get(path).status_code
    assert response.data == b""


def test_an_unknown_model_of_the_list(client: FlaskClient) -> None:
    error = check(client.get("/v1/models/nope/at/all"), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize("path", POSTS)
def test_an_unknown_model(client: FlaskClient, path: str) -> None:
    error = check(client.post(path, json={"model": "nope"}), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": 5}, {"model": ""}, {"model": []}])
def test_no_model(client: FlaskClient, path: str, body: dict[str, Any]) -> None:
    assert check(client.post(path, json=body), 400)["param"] == "model"


@pytest.mark.parametrize(
    ("path", "model", "endpoint"),
    [
        ("/v1/completions", EMBEDDING, "/v1/embeddings"),
        ("/v1/chat/completions", RERANKER, "/v1/rerank"),
        ("/v1/embeddings", LLM, "/v1/chat/completions"),
        ("/v1/rerank", EMBEDDING, "/v1/embeddings"),
    ],
)
def test_a_model_of_another_kind(client: FlaskClient, path: str, model: str, endpoint: str) -> None:
    error = check(client.post(path, json={"model": model}), 400)
    assert (error["code"], error["param"]) == ("model_not_supported", "model")
    assert endpoint in error["message"]


# ---- bugs of ours


@pytest.fixture
def errors_logged() -> Iterator[list[logging.LogRecord]]:
    """The application's log, which does not reach the root logger."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    log = logging.getLogger("app")
    log.addHandler(handler)
    yield records
    log.removeHandler(handler)


def test_a_bug_is_500_and_tells_nothing(app: Flask, errors_logged: list[logging.LogRecord]) -> None:
    def broken() -> None:
        raise RuntimeError("canary at /root/secret 0xdead")

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken", headers={"x-request-id": "mine-1"})
    error = check(response, 500)
    assert error["code"] == "internal_error"
    assert "mine-1" in error["message"]
    assert response.headers["x-should-retry"] == "false"
    for canary in (b"canary", b"Traceback", b"/root", b"RuntimeError"):
        assert canary not in response.data
    assert any(record.exc_info and "mine-1" in record.getMessage() for record in errors_logged)


# ---- Triton's failures, on every route

BODIES: dict[str, dict[str, Any]] = {
    "/v1/completions": {"model": LLM, "prompt": "a"},
    "/v1/chat/completions": {"model": LLM, "messages": [{"role": "user", "content": "a"}]},
    "/v1/embeddings": {"model": EMBEDDING, "input": "a"},
    "/v1/rerank": {"model": RERANKER, "query": "a", "documents": ["b"]},
}
FAILURES = [
    ("canary failure in /models/x.cc:5 at 0xdeadbeef", 502, "backend_error", None, "false"),
    ("Exceeds maximum queue size canary", 429, "model_overloaded", "1", None),
    ("Server exiting canary", 503, "backend_unavailable", "1", None),
    ("Request for unknown model: 'canary' is not found", 503, "backend_model_missing", "1", None),
    ("Request timeout expired canary", 504, "backend_timeout", None, "false"),
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(("text", "status", "code", "retry_after", "should_retry"), FAILURES)
def test_a_failure_of_triton(
    client: FlaskClient,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    path: str,
    text: str,
    status: int,
    code: str,
    retry_after: str | None,
    should_retry: str | None,
) -> None:
    triton.script = say(error_message(text))
    http_triton.infer = lambda _: Reply(400, b'{"error":"%s"}' % text.encode())
    response = client.post(path, json=BODIES[path])
    assert check(response, status)["code"] == code
    assert response.headers.get("Retry-After") == retry_after
    assert response.headers.get("x-should-retry") == should_retry
    for canary in ("canary", "/models", "0xdeadbeef", triton.address, http_triton.address):
        assert canary not in response.text


def closes(_: Any) -> Any:
    raise Closed


@pytest.mark.parametrize("path", POSTS)
def test_a_lost_connection(
    client: FlaskClient, triton: ScriptedTriton, http_triton: ScriptedHttpTriton, path: str
) -> None:
    triton.script = refuse(grpc.StatusCode.UNAVAILABLE, "Stream removed (Socket closed)")
    http_triton.infer = closes
    response = client.post(path, json=BODIES[path])
    assert check(response, 503)["code"] == "backend_unavailable"
    assert response.headers["Retry-After"] == "1"
    assert "Socket" not in response.text


@pytest.mark.parametrize("path", POSTS)
def test_the_failure_is_in_the_log_with_the_request_id(
    client: FlaskClient,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    path: str,
    errors_logged: list[logging.LogRecord],
) -> None:
    triton.script = say(error_message("canary"))
    http_triton.infer = lambda _: Reply(500, b'{"error":"canary"}')
    client.post(path, json=BODIES[path], headers={"x-request-id": "mine-1"})
    told = [record.getMessage() for record in errors_logged if record.levelname == "ERROR"]
    assert any("mine-1" in text and "canary" in text for text in told)


def test_a_client_error_is_no_error_in_the_log(
    client: FlaskClient, errors_logged: list[logging.LogRecord]
) -> None:
    client.post("/v1/completions", json={"model": "nope"})
    assert not [record for record in errors_logged if record.levelno >= logging.WARNING]
