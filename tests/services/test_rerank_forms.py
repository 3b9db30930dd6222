"""The paths and bodies of rerank: the OpenAI list's, Cohere v2's, Text Embeddings Inference's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import RERANKER
from tests.scripted_triton import (
    Closed,
    Reply,
    ScriptedHttpTriton,
    encoder_of_scores,
    score_by_length,
)
from tests.services.encoder_application import encoder_client, token_rows
from tests.tokenizers.cached import tokenizer

DOCUMENTS = ["a", "a b c d", "a b", "a b c"]
BEST_FIRST = [1, 3, 2, 0]
LONG = "small boat harbour stone wall " * 20
LIMIT = 32


@pytest.fixture
def triton(http_triton: ScriptedHttpTriton) -> ScriptedHttpTriton:
    """Longer documents score higher."""
    http_triton.config = encoder_of_scores()
    http_triton.output = "logits"
    http_triton.infer = score_by_length
    return http_triton


@pytest.fixture
def client(tmp_path: Path, triton: ScriptedHttpTriton) -> FlaskClient:
    return encoder_client(tmp_path, triton)


def post(client: FlaskClient, path: str = "/v1/rerank", **body: Any) -> Any:
    asked = {"model": RERANKER, "query": "stone", "documents": DOCUMENTS, **body}
    return client.post(path, json=asked)


def post_texts(client: FlaskClient, **body: Any) -> Any:
    return client.post("/rerank", json={"query": "stone", "texts": DOCUMENTS, **body})


def documents_sent(triton: ScriptedHttpTriton, query: str = "stone") -> list[list[int]]:
    """The ids of the documents that Triton got."""
    start = len(tokenizer("wordpiece").encode(query))
    return [row[start:-1] for row in token_rows(triton)]


# ---- paths


def test_rerank_without_a_version_is_the_first(client: FlaskClient) -> None:
    first, other = post(client).json, post(client, "/rerank").json
    assert first.pop("id").startswith("rerank-")
    assert other.pop("id").startswith("rerank-")
    assert other == first
    assert [item["index"] for item in other["data"]] == BEST_FIRST


def test_coheres_second_shape(client: FlaskClient) -> None:
    body = post(client, "/v2/rerank", return_documents=True).json
    assert body.pop("id").startswith("rerank-")
    scores = [item.pop("relevance_score") for item in body["results"]]
    assert scores == sorted(scores, reverse=True)
    assert body == {
        "results": [{"index": index} for index in BEST_FIRST],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }


@pytest.mark.parametrize(("count", "units"), [(1, 1), (100, 1), (101, 2)])
def test_a_search_unit_is_a_hundred_documents(client: FlaskClient, count: int, units: int) -> None:
    meta = post(client, "/v2/rerank", documents=["a"] * count).json["meta"]
    assert meta["billed_units"] == {"search_units": units}


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
def test_every_path_takes_the_same_fields(client: FlaskClient, path: str) -> None:
    body = post(client, path, documents=["a", {"text": "a b c"}, "a b"], top_n="2").json
    assert [item["index"] for item in body["results"]] == [1, 2]
    error = post(client, path, top_n=0).json["error"]
    assert (error["param"], error["type"]) == ("top_n", "invalid_request_error")


# ---- how much of a document counts


def test_a_document_is_cut_before_it_is_paired(
    client: FlaskClient, triton: ScriptedHttpTriton
) -> None:
    ids = tokenizer("wordpiece").encode(LONG)[1:-1]
    post(client, documents=[LONG], max_tokens_per_doc=5)
    post(client, documents=[LONG], max_tokens_per_doc=10**6)
    cut, whole = documents_sent(triton)
    assert cut == ids[:5]
    assert whole == ids[: len(whole)]
    assert len(token_rows(triton)[1]) == LIMIT


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
def test_a_document_keeps_a_token(client: FlaskClient, value: Any) -> None:
    response = post(client, max_tokens_per_doc=value)
    error = response.json["error"]
    assert (response.status_code, error["param"]) == (400, "max_tokens_per_doc")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 0.880797),
        ({"raw_scores": True}, 2.0),
        ({"use_activation": False}, 2.0),
        ({"use_activation": True, "raw_scores": False}, 0.880797),
    ],
)
def test_raw_scores(
    client: FlaskClient, triton: ScriptedHttpTriton, fields: Any, expected: float
) -> None:
    triton.infer = lambda tensors: [[2.0]] * len(tensors["input_ids"])
    (result,) = post(client, documents=["a"], **fields).json["results"]
    assert result["relevance_score"] == pytest.approx(expected, abs=1e-6)


def test_cutting_can_be_refused(client: FlaskClient) -> None:
    error = post(client, documents=["a", LONG], truncate="none").json["error"]
    assert (error["param"], error["code"]) == ("documents[1]", "context_length_exceeded")


# ---- the form of Text Embeddings Inference


def test_texts_are_answered_with_a_bare_list(client: FlaskClient) -> None:
    body = post_texts(client).json
    assert [set(item) for item in body] == [{"index", "score"}] * 4
    assert [item["index"] for item in body] == BEST_FIRST
    assert [item["score"] for item in body] == [
        item["relevance_score"] for item in post(client).json["results"]
    ]


def test_texts_come_back_when_asked_for(client: FlaskClient) -> None:
    body = post_texts(client, return_text=True).json
    assert [item["text"] for item in body] == [DOCUMENTS[index] for index in BEST_FIRST]


def test_raw_scores_of_texts(client: FlaskClient, triton: ScriptedHttpTriton) -> None:
    triton.infer = lambda tensors: [[-2.0]] * len(tensors["input_ids"])
    assert post_texts(client, texts=["a"], raw_scores=True).json == [{"index": 0, "score": -2.0}]


@pytest.mark.parametrize(
    ("fields", "is_left"),
    [
        ({}, False),
        ({"truncate": True, "truncation_direction": "Right"}, False),
        ({"truncate": None, "truncation_direction": "Left"}, True),
        ({"truncation_direction": "left"}, True),
        ({"truncation_direction": "LEFT"}, True),
        ({"truncation_direction": "RIGHT"}, False),
    ],
)
def test_where_texts_are_cut(
    client: FlaskClient, triton: ScriptedHttpTriton, fields: Any, is_left: bool
) -> None:
    assert post_texts(client, texts=[LONG], **fields).status_code == 200
    ids = tokenizer("wordpiece").encode(LONG)[1:-1]
    (found,) = documents_sent(triton)
    assert found == (ids[-len(found) :] if is_left else ids[: len(found)])
    assert len(token_rows(triton)[0]) == LIMIT


def test_texts_name_a_model_only_if_there_are_several(
    tmp_path: Path, triton: ScriptedHttpTriton
) -> None:
    client = encoder_client(tmp_path, triton, rerankers=("first", "second"))
    response = post_texts(client)
    assert response.status_code == 400
    assert response.json["error_type"] == "Validation"
    assert "first, second" in response.json["error"]
    assert post_texts(client, model="second").status_code == 200


def test_texts_without_any_model(tmp_path: Path, triton: ScriptedHttpTriton) -> None:
    response = post_texts(encoder_client(tmp_path, triton, rerankers=()))
    assert response.status_code == 404
    assert set(response.json) == {"error", "error_type"}


def fails(reply: Any) -> Any:
    def infer(_: Any) -> Any:
        if isinstance(reply, type):
            raise reply
        return reply

    return infer


@pytest.mark.parametrize(
    ("reply", "status", "kind"),
    [
        (Reply(500, b'{"error":"canary"}'), 502, "Backend"),
        (Reply(400, b'{"error":"Exceeds maximum queue size canary"}'), 429, "Overloaded"),
        (Closed, 503, "Unhealthy"),
        ([[float("nan")]] * 4, 502, "Backend"),
    ],
    ids=["failure", "queue", "connection", "NaN"],
)
def test_a_failure_of_triton_in_the_form_of_texts(
    client: FlaskClient, triton: ScriptedHttpTriton, reply: Any, status: int, kind: str
) -> None:
    triton.infer = fails(reply)
    response = post_texts(client)
    assert response.status_code == status
    assert response.json == {"error": response.json["error"], "error_type": kind}
    assert "canary" not in response.text
    assert response.headers["x-request-id"]
    assert (response.headers.get("Retry-After") == "1") == (status in (429, 503))


@pytest.mark.parametrize(
    "fields",
    [
        {"query": ""},
        {"query": None},
        {"texts": []},
        {"texts": ["a", 5]},
        {"texts": None},
        {"texts": "a"},
        {"truncation_direction": "Up"},
        {"model": "embedder"},
        {"query": "stone " * 100},
        {"texts": ["a", LONG], "truncate": False},
    ],
    ids=str,
)
def test_wrong_texts(client: FlaskClient, fields: dict[str, Any]) -> None:
    response = post_texts(client, **fields)
    assert response.status_code == 400
    assert set(response.json) == {"error", "error_type"}
    assert response.json["error_type"] == "Validation"


def test_an_unknown_model_of_texts(client: FlaskClient) -> None:
    response = post_texts(client, model="nope")
    assert response.status_code == 404
    assert response.json["error_type"] == "Validation"


def test_the_form_of_errors_does_not_stay(client: FlaskClient) -> None:
    assert set(post_texts(client, query="").json) == {"error", "error_type"}
    assert set(post(client, "/rerank", query="").json["error"]) == {
        "message",
        "type",
        "param",
        "code",
    }


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_texts_are_no_documents_elsewhere(client: FlaskClient, path: str) -> None:
    response = client.post(path, json={"model": RERANKER, "query": "a", "texts": ["a"]})
    assert response.json["error"]["param"] == "documents"
