"""`POST /v1/rerank` in front of a scripted Triton."""

from __future__ import annotations

import math
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import RERANKER
from tests.scripted_triton import ScriptedHttpTriton, encoder_of_scores, score_by_length

DOCUMENTS = ["a", "a b c d", "a b", "a b c"]


@pytest.fixture(autouse=True)
def _longer_documents_score_higher(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_of_scores()
    http_triton.output = "logits"
    http_triton.infer = score_by_length


def post(client: FlaskClient, **body: Any) -> Any:
    asked = {"model": RERANKER, "query": "stone", "documents": DOCUMENTS, **body}
    return client.post("/v1/rerank", json=asked)


def test_the_shape_of_an_answer(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    body = post(client).json
    assert body["object"] == "list"
    assert body["model"] == RERANKER
    assert isinstance(body["id"], str)
    assert body["data"] == body["results"]
    assert [set(item) for item in body["data"]] == [{"object", "index", "relevance_score"}] * 4
    assert body["data"][0]["object"] == "rerank"
    num_tokens = sum(int(batch["attention_mask"].sum()) for batch in http_triton.batches)
    assert body["usage"] == {
        "prompt_tokens": num_tokens,
        "total_tokens": num_tokens,
        "completion_tokens": 0,
    }


def test_the_best_come_first(client: FlaskClient) -> None:
    results = post(client).json["results"]
    scores = [item["relevance_score"] for item in results]
    assert [item["index"] for item in results] == [1, 3, 2, 0]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_ties_keep_the_order_of_the_request(client: FlaskClient) -> None:
    results = post(client, documents=["x"] * 9).json["results"]
    assert [item["index"] for item in results] == list(range(9))


@pytest.mark.parametrize(("top_n", "expected"), [(1, 1), ("2", 2), (4, 4), (10**6, 4), (None, 4)])
def test_top_n(client: FlaskClient, top_n: Any, expected: int) -> None:
    assert len(post(client, top_n=top_n).json["results"]) == expected


def test_documents_come_back_when_asked_for(client: FlaskClient) -> None:
    results = post(client, return_documents=True).json["results"]
    assert results[0]["document"] == {"text": "a b c d"}


def test_documents_may_be_objects(client: FlaskClient) -> None:
    results = post(client, documents=["a", {"text": "a b"}], return_documents=True).json["results"]
    assert results[0]["document"] == {"text": "a b"}


def test_a_query_that_leaves_no_room(client: FlaskClient) -> None:
    response = post(client, query="stone " * 100)
    assert (response.status_code, response.json["error"]["param"]) == (400, "query")


def test_only_the_document_is_cut(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    post(client, query="stone wall", documents=["boat " * 100])
    row = http_triton.batches[0]["input_ids"][0].tolist()
    assert len(row) == 32
    post(client, query="stone wall", documents=["boat"])
    short = http_triton.batches[1]["input_ids"][0].tolist()
    assert row[: len(short) - 1] == short[:-1]


def test_nan_is_the_backends_error(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = lambda tensors: [[math.nan]] * len(tensors["input_ids"])
    response = post(client)
    assert (response.status_code, response.json["error"]["code"]) == (502, "backend_error")
