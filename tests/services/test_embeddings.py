"""`POST /v1/embeddings` in front of a scripted Triton."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from tests.applications import EMBEDDING
from tests.scripted_triton import ScriptedHttpTriton
from tests.services.encoder_application import token_rows

LIMIT = 32


def post(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/embeddings", json={"model": EMBEDDING, "input": "harbour", **body})


def test_the_shape_of_an_answer(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    body = post(client, input=["harbour", "small boat"]).json
    assert body["object"] == "list"
    assert body["model"] == EMBEDDING
    assert [(item["object"], item["index"]) for item in body["data"]] == [
        ("embedding", 0),
        ("embedding", 1),
    ]
    num_tokens = sum(map(len, token_rows(http_triton)))
    assert body["usage"] == {"prompt_tokens": num_tokens, "total_tokens": num_tokens}


def test_base64_is_little_endian_float32(client: FlaskClient) -> None:
    numbers = post(client).json["data"][0]["embedding"]
    encoded = post(client, encoding_format="base64").json["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(encoded), "<f4").tolist() == pytest.approx(numbers)


def test_many_inputs_come_in_their_order(client: FlaskClient) -> None:
    texts = ["harbour " * (1 + index * 5 % 11) + str(index) for index in range(40)]
    together = [item["embedding"] for item in post(client, input=texts).json["data"]]
    apart = [post(client, input=text).json["data"][0]["embedding"] for text in texts[::8]]
    assert together[::8] == apart


def test_long_texts_are_cut_and_keep_their_special_tokens(
    client: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    post(client, input="harbour " * 100)
    (row,) = token_rows(http_triton)
    post(client, input="harbour")
    (short,) = token_rows(http_triton)[1:]
    assert len(row) == LIMIT
    assert (row[0], row[-1]) == (short[0], short[-1])


def test_truncation_can_be_refused(client: FlaskClient) -> None:
    response = post(client, input=["a", "harbour " * 100], truncate="none")
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert error["param"] == "input[1]"


@pytest.mark.parametrize("written", ["none", "NONE", "None"])
def test_the_case_of_truncate_does_not_matter(client: FlaskClient, written: str) -> None:
    response = post(client, input="harbour " * 100, truncate=written)
    assert response.json["error"]["code"] == "context_length_exceeded"
    assert post(client, truncate=written).status_code == 200


@pytest.mark.parametrize("written", ["END", "Start", "end"])
def test_where_a_text_is_cut_in_any_case(
    client: FlaskClient, http_triton: ScriptedHttpTriton, written: str
) -> None:
    text = "small " * 50 + "harbour " * 50
    post(client, input=text, truncate=written)
    post(client, input=text, truncate=written.lower())
    first, second = token_rows(http_triton)
    assert first == second


def test_another_word_for_truncate(client: FlaskClient) -> None:
    error = post(client, truncate="MIDDLE").json["error"]
    assert error["param"] == "truncate"
    assert '"end", "start", "none"' in error["message"]


def test_dimensions_are_cut_and_normalised_again(
    client: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    http_triton.infer = lambda tensors: [[[3.0, 4.0, 12.0]] * tensors["input_ids"].shape[1]]
    body = post(client, dimensions=2).json
    assert body["data"][0]["embedding"] == pytest.approx([0.6, 0.8])


def test_more_dimensions_than_the_model_has(client: FlaskClient) -> None:
    assert post(client, dimensions=3).status_code == 200
    response = post(client, dimensions=4)
    assert (response.status_code, response.json["error"]["param"]) == (400, "dimensions")


def test_token_ids_get_the_special_tokens(
    client: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    post(client, input="harbour")
    (row,) = token_rows(http_triton)
    post(client, input=row[1:-1])
    post(client, input=[row])
    assert token_rows(http_triton) == [row] * 3


def test_token_ids_outside_the_vocabulary(client: FlaskClient) -> None:
    response = post(client, input=[[5], [10**6]])
    assert (response.status_code, response.json["error"]["param"]) == (400, "input[1]")
