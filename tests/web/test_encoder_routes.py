"""Errors of the paths beside OpenAI's own that serve encoders and tokenizers."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import EMBEDDING, LLM, RERANKER
from tests.scripted_triton import Closed, Reply, ScriptedHttpTriton
from tests.web.test_error_sweep import FAILURES, VERBS, check

RANKING = {"model": RERANKER, "query": "a", "documents": ["b"]}
BODIES: dict[str, dict[str, Any]] = {
    "/rerank": RANKING,
    "/v2/embed": {"model": EMBEDDING, "texts": ["a"]},
    "/v2/rerank": RANKING,
    "/v1/score": {"model": RERANKER, "text_1": "a", "text_2": "b"},
    "/score": {"model": EMBEDDING, "text_1": "a", "text_2": "b"},
}
PATHS = (*BODIES, "/tokenize", "/detokenize")


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "POST"])
def test_a_wrong_verb(client: FlaskClient, path: str, verb: str) -> None:
    response = client.open(path, method=verb)
    check(response, 405, is_head=verb == "HEAD")
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": 5}, {"model": ""}])
def test_no_model(client: FlaskClient, path: str, body: dict[str, Any]) -> None:
    assert check(client.post(path, json=body), 400)["param"] == "model"


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_model(client: FlaskClient, path: str) -> None:
    error = check(client.post(path, json={"model": "nope"}), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize("path", BODIES)
def test_a_model_of_another_kind(client: FlaskClient, path: str) -> None:
    error = check(client.post(path, json={"model": LLM}), 400)
    assert (error["code"], error["param"]) == ("model_not_supported", "model")


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_no_json(client: FlaskClient, path: str) -> None:
    check(client.post(path, data="{", content_type="application/json"), 400)
    check(client.post(path, data="{}", content_type="text/plain"), 415)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(("text", "status", "code", "retry_after", "should_retry"), FAILURES)
def test_a_failure_of_triton(
    client: FlaskClient,
    http_triton: ScriptedHttpTriton,
    path: str,
    text: str,
    status: int,
    code: str,
    retry_after: str | None,
    should_retry: str | None,
) -> None:
    http_triton.infer = lambda _: Reply(400, b'{"error":"%s"}' % text.encode())
    response = client.post(path, json=BODIES[path])
    assert check(response, status)["code"] == code
    assert response.headers.get("Retry-After") == retry_after
    assert response.headers.get("x-should-retry") == should_retry
    assert "canary" not in response.text


@pytest.mark.parametrize("path", BODIES)
def test_a_lost_connection(client: FlaskClient, http_triton: ScriptedHttpTriton, path: str) -> None:
    def closes(_: Any) -> Any:
        raise Closed

    http_triton.infer = closes
    assert check(client.post(path, json=BODIES[path]), 503)["code"] == "backend_unavailable"
