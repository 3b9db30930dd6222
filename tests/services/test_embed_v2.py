"""`POST /v2/embed`, Cohere's second shape of embeddings, in front of a scripted Triton."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.backends.embedding import normalized
from app.schemas.embed_v2 import INPUT_TYPES, TYPES
from app.services import embeddings
from app.services.embed_v2 import ENCODERS
from tests.applications import EMBEDDING
from tests.scripted_triton import ScriptedHttpTriton
from tests.services.encoder_application import token_rows
from tests.tokenizers.cached import tokenizer

TEXTS = ["harbour", "small boat"]
LONG = "small boat harbour stone wall " * 20
LIMIT = 32
SIXTEEN = [0.5, -0.5, 0.0, 3.0, -2.0, 1.0, -0.1, 0.1, *[-1.0] * 7, 1.0]
# By hand: 1 where a number is not negative.
BYTES = [0b10110101, 0b00000001]


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


@pytest.fixture
def _sixteen(http_triton: ScriptedHttpTriton) -> None:
    """Every token's vector, and so every text's, points to SIXTEEN."""

    def infer(tensors: Any) -> Any:
        return np.broadcast_to(SIXTEEN, (*tensors["input_ids"].shape, len(SIXTEEN)))

    http_triton.infer = infer


def post(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v2/embed", json={"model": EMBEDDING, "texts": TEXTS, **body})


def refusal(response: Any) -> tuple[int, Any, Any]:
    error = response.json["error"]
    return response.status_code, error["param"], error["code"]


def vectors(client: FlaskClient, given: Any, **body: Any) -> list[list[float]]:
    """What `/v1/embeddings` says."""
    answer = client.post("/v1/embeddings", json={"model": EMBEDDING, "input": given, **body})
    return [item["embedding"] for item in answer.json["data"]]


# ---- the answer


def test_the_shape_of_an_answer(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    body = post(client).json
    num_tokens = sum(map(len, token_rows(http_triton)))
    assert body.pop("id").startswith("embed-")
    assert body == {
        "response_type": "embeddings_by_type",
        "embeddings": {"float": vectors(client, TEXTS)},
        "texts": TEXTS,
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"input_tokens": num_tokens},
        },
    }


def test_every_answer_has_an_id_of_its_own(client: FlaskClient) -> None:
    assert post(client).json["id"] != post(client).json["id"]


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_the_answer_says_that_an_input_type_changes_nothing(
    client: FlaskClient, input_type: str
) -> None:
    body = post(client, input_type=input_type).json
    (warning,) = body["meta"]["warnings"]
    assert "input_type changes nothing" in warning
    assert body["embeddings"] == post(client).json["embeddings"]


def test_inputs_are_texts_in_objects(client: FlaskClient) -> None:
    inputs = [{"content": [{"type": "text", "text": text}]} for text in TEXTS]
    by_inputs, by_texts = post(client, texts=None, inputs=inputs).json, post(client).json
    by_inputs.pop("id"), by_texts.pop("id")
    assert by_inputs == by_texts


def test_more_texts_than_cohere_takes(client: FlaskClient) -> None:
    texts = [f"harbour {index}" for index in range(200)]
    found = post(client, texts=texts).json["embeddings"]["float"]
    assert len(found) == 200
    assert found[::50] == vectors(client, texts[::50])


# ---- types


@pytest.mark.usefixtures("_sixteen")
def test_all_types_of_a_vector(client: FlaskClient) -> None:
    found = post(client, embedding_types=list(TYPES)).json["embeddings"]
    assert set(found) == set(TYPES)
    assert found["float"] == [pytest.approx(normalized(np.array(SIXTEEN, np.float32)))] * 2
    decoded = [np.frombuffer(base64.b64decode(each), "<f4") for each in found["base64"]]
    assert np.array_equal(decoded, np.array(found["float"], np.float32))
    assert found["ubinary"] == [BYTES] * 2
    assert found["binary"] == [[each - 128 for each in BYTES]] * 2


@given(st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=64))
def test_the_bits_are_the_signs(numbers: list[float]) -> None:
    numbers = numbers[: len(numbers) // 8 * 8]
    vector = np.array(numbers, np.float32)
    unsigned = numbers_of(ENCODERS["ubinary"], vector)
    signed = numbers_of(ENCODERS["binary"], vector)
    assert np.unpackbits(np.array(unsigned, np.uint8)).tolist() == [n >= 0 for n in numbers]
    assert signed == [each - 128 for each in unsigned]


def numbers_of(encode: Callable[[Any], Any], vector: NDArray[np.float32]) -> list[int]:
    numbers: list[int] = orjson.loads(orjson.dumps(encode(vector)))
    return numbers


def test_only_the_types_that_are_asked_for(client: FlaskClient) -> None:
    found = post(client, embedding_types=["base64", "base64"]).json["embeddings"]
    assert set(found) == {"base64"}


@pytest.mark.usefixtures("_sixteen")
def test_bits_of_a_part_of_the_vector(client: FlaskClient) -> None:
    body = post(client, embedding_types=["ubinary"], output_dimension=8).json
    assert body["embeddings"] == {"ubinary": [BYTES[:1]] * 2}


@pytest.mark.usefixtures("_sixteen")
def test_bits_that_fill_no_byte(client: FlaskClient) -> None:
    response = post(client, embedding_types=["binary"], output_dimension=12)
    assert refusal(response) == (400, "output_dimension", None)
    assert "12" in response.json["error"]["message"]


def test_a_model_whose_bits_fill_no_byte(client: FlaskClient) -> None:
    response = post(client, embedding_types=["float", "ubinary"])
    assert refusal(response) == (400, "embedding_types", None)


def test_large_answers_are_encoded_away_from_the_event_loop(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions: list[bool] = []

    def run_if(is_large: bool, function: Callable[..., Any], *args: Any) -> Any:
        decisions.append(is_large)
        return function(*args)

    monkeypatch.setattr(embeddings.offload, "run_if", run_if)
    small = post(client).json
    assert not any(decisions)
    decisions.clear()
    monkeypatch.setattr(embeddings, "MAX_NUMBERS_ON_LOOP", 5)
    assert post(client).json["embeddings"] == small["embeddings"]
    assert decisions.count(True) == 1


# ---- dimensions and length


def test_dimensions_are_cut_and_normalised_again(client: FlaskClient) -> None:
    found = post(client, output_dimension=2).json["embeddings"]["float"]
    assert found == vectors(client, TEXTS, dimensions=2)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert refusal(post(client, output_dimension=4)) == (400, "output_dimension", None)


def cut(triton: ScriptedHttpTriton) -> list[int]:
    """The ids of the only text that Triton got, without special tokens."""
    (row,) = token_rows(triton)
    return row[1:-1]


@pytest.mark.parametrize(
    ("fields", "start", "stop"),
    [
        ({}, 0, LIMIT - 2),
        ({"truncate": "END"}, 0, LIMIT - 2),
        ({"truncate": "START"}, 2 - LIMIT, None),
        ({"truncate": "start"}, 2 - LIMIT, None),
        ({"max_tokens": 10}, 0, 8),
        ({"max_tokens": 10, "truncate": "START"}, -8, None),
        ({"max_tokens": 10**6}, 0, LIMIT - 2),
    ],
    ids=str,
)
def test_where_a_long_text_is_cut(
    client: FlaskClient,
    http_triton: ScriptedHttpTriton,
    fields: dict[str, Any],
    start: int,
    stop: int | None,
) -> None:
    assert post(client, texts=[LONG], **fields).status_code == 200
    assert cut(http_triton) == tokenizer("wordpiece").encode(LONG)[1:-1][start:stop]


@pytest.mark.parametrize(
    ("fields", "texts", "param"),
    [
        ({}, ["a", LONG], "texts[1]"),
        ({"max_tokens": 5}, ["a", "small boat harbour stone"], "texts[1]"),
        ({"max_tokens": 10**6}, [LONG], "texts"),
    ],
    ids=str,
)
def test_cutting_can_be_refused(
    client: FlaskClient, fields: dict[str, Any], texts: Sequence[str], param: str
) -> None:
    response = post(client, texts=texts, truncate="NONE", **fields)
    assert refusal(response) == (400, param, "context_length_exceeded")


def test_a_short_text_needs_no_cutting(client: FlaskClient) -> None:
    assert post(client, truncate="NONE", max_tokens=LIMIT).status_code == 200


def test_a_limit_leaves_room_for_a_token(client: FlaskClient) -> None:
    response = post(client, max_tokens=2)
    assert refusal(response) == (400, "max_tokens", None)
    assert "at least 3" in response.json["error"]["message"]


# ---- refusals

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PART = {"type": "text", "text": "harbour"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"texts": None, "images": ["data:image/png;base64,AAAA"]}, "images"),
        ({"input_type": "image"}, "input_type"),
        ({"embedding_types": ["float", "int8"]}, "embedding_types[1]"),
        ({"embedding_types": ["uint8"]}, "embedding_types[0]"),
        ({"priority": 1}, "priority"),
        ({"texts": None, "inputs": [{"content": [IMAGE]}]}, "inputs[0].content[0].type"),
        ({"texts": None, "inputs": [{"content": [PART, PART]}]}, "inputs[0].content"),
    ],
    ids=str,
)
def test_what_is_not_supported(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    assert refusal(post(client, **fields)) == (400, param, "unsupported_parameter")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"texts": None}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": "harbour"}, "texts"),
        ({"texts": ["a", ""]}, "texts[1]"),
        ({"texts": ["a", 5]}, "texts[1]"),
        ({"texts": ["a"] * 2049}, "texts"),
        ({"inputs": [{"content": [PART]}]}, "inputs"),
        ({"texts": None, "inputs": ["harbour"]}, "inputs[0]"),
        ({"texts": None, "inputs": [{"content": []}]}, "inputs[0]"),
        ({"texts": None, "inputs": [{"content": ["a"]}]}, "inputs[0].content[0]"),
        ({"texts": None, "inputs": [{"content": [{"type": "text"}]}]}, "inputs[0].content[0].text"),
        ({"input_type": "poem"}, "input_type"),
        ({"embedding_types": []}, "embedding_types"),
        ({"embedding_types": "float"}, "embedding_types"),
        ({"embedding_types": ["int4"]}, "embedding_types[0]"),
        ({"truncate": "MIDDLE"}, "truncate"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"output_dimension": 0}, "output_dimension"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_values(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    assert refusal(post(client, **fields)) == (400, param, None)


@pytest.mark.parametrize("fields", [{"images": []}, {"images": None}, {"priority": 0}], ids=str)
def test_what_changes_nothing(client: FlaskClient, fields: dict[str, Any]) -> None:
    assert post(client, **fields).status_code == 200
