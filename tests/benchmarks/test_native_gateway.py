"""The mock Triton's encoders as tritonclient sees them, and all its models behind this server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http
from flask.testing import FlaskClient
from tritonclient.utils import InferenceServerException

from tests.applications import (
    EMBEDDING,
    LLM,
    RERANKER,
    build_application,
    standard_configuration,
    token_ids,
)
from tests.benchmarks.native_programs import Mock, mock_triton

TEXT = "The answer is long and says nothing. "
ANSWER = tuple(token_ids(TEXT))
DIMENSION = 384


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    with mock_triton(tmp_path_factory.mktemp("mock"), ANSWER) as running:
        yield running


@pytest.fixture
def triton(mock: Mock) -> Iterator[Any]:
    client = tritonclient.http.InferenceServerClient(mock.http)
    yield client
    client.close()


@pytest.fixture
def gateway(mock: Mock, tmp_path: Path) -> FlaskClient:
    configuration = standard_configuration(mock.grpc, mock.http, llm={"triton_model": "ft-step2"})
    configuration["embedding"][0] |= {
        "triton_model": f"embed{DIMENSION}",
        "output_config": {"name": "sentence_embedding"},
    }
    configuration["rerank"][0] |= {"triton_model": "rerank", "output_config": {"name": "logits"}}
    return build_application(tmp_path, configuration).test_client()


def infer(client: Any, model: str, output: str, ids: Any, mask: Any, *, binary: bool = True) -> Any:
    tensors = []
    for name, values in (("input_ids", ids), ("attention_mask", mask)):
        array = np.asarray(values, np.int64)
        tensor = tritonclient.http.InferInput(name, list(array.shape), "INT64")
        tensor.set_data_from_numpy(array, binary_data=True)
        tensors.append(tensor)
    wanted = [tritonclient.http.InferRequestedOutput(output, binary_data=binary)]
    result = client.infer(model, tensors, outputs=wanted, request_id="x-1")
    assert result.get_response()["id"] == "x-1"
    return result.as_numpy(output)


def test_answers_about_models(triton: Any) -> None:
    assert triton.is_server_ready()
    assert triton.is_server_live()
    assert triton.is_model_ready("embed1024")
    assert triton.is_model_ready("rerank", "1")
    assert not triton.is_model_ready("embed")
    config = triton.get_model_config("embed1024")
    assert (config["max_batch_size"], config["output"][0]["dims"]) == (64, [1024])
    assert [item["name"] for item in config["input"]][:2] == ["input_ids", "attention_mask"]
    assert triton.get_model_metadata("rerank")["outputs"][0]["shape"] == [-1, 1]
    assert triton.get_server_metadata()["name"] == "triton"


def test_vectors_depend_on_what_the_mask_leaves(triton: Any) -> None:
    ids = [[5, 6, 7], [5, 6, 0], [8, 6, 9]]
    vectors = infer(triton, "embed32", "sentence_embedding", ids, [[1, 1, 0]] * 3)
    assert vectors.shape == (3, 32)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


def test_the_same_values_in_json(triton: Any) -> None:
    arguments = (triton, "embed8", "sentence_embedding", [[5, 6]], [[1, 1]])
    assert np.allclose(infer(*arguments), infer(*arguments, binary=False))


def test_logits_have_a_column_for_each_row(triton: Any) -> None:
    logits = infer(triton, "rerank", "logits", np.arange(640).reshape(64, 10), np.ones((64, 10)))
    assert logits.shape == (64, 1)
    assert len(np.unique(logits)) > 50


@pytest.mark.parametrize(
    ("model", "output", "shape", "text"),
    [
        ("embed8", "sentence_embedding", (65, 2), "batch-size must be <= 64"),
        ("embed8", "logits", (1, 2), "unexpected inference output"),
        ("absent", "logits", (1, 2), "Request for unknown model"),
    ],
)
def test_what_triton_refuses(
    triton: Any, model: str, output: str, shape: tuple[int, int], text: str
) -> None:
    with pytest.raises(InferenceServerException, match=text):
        infer(triton, model, output, np.ones(shape), np.ones(shape))
    assert triton.is_server_live()


def test_a_request_without_its_tensors_is_refused(mock: Mock) -> None:
    body = json.dumps({"inputs": [{"name": "input_ids", "datatype": "INT64", "shape": [1, 4]}]})
    address = f"http://{mock.http}/v2/models/embed8/infer"
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        urllib.request.urlopen(address, body.encode())
    assert "32 bytes of binary data" in json.loads(refused.value.read())["error"]


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_chat_behind_the_gateway(gateway: FlaskClient, is_stream: bool) -> None:
    body = {
        "model": LLM,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 20,
        "stream": is_stream,
    }
    response = gateway.post("/v1/chat/completions", json=body)
    assert response.status_code == 200
    text = _streamed(response.text) if is_stream else _whole(response.get_json())
    assert text
    assert (TEXT * 20).startswith(text)


def _whole(answer: Any) -> str:
    assert answer["usage"]["completion_tokens"] == 20
    assert answer["choices"][0]["finish_reason"] == "length"
    return str(answer["choices"][0]["message"]["content"])


def _streamed(events: str) -> str:
    lines = [line.removeprefix("data: ") for line in events.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    deltas = [choice["delta"] for line in lines[:-1] for choice in json.loads(line)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_embeddings_behind_the_gateway(gateway: FlaskClient) -> None:
    body = {"model": EMBEDDING, "input": ["one", "two words", "one"]}
    data = gateway.post("/v1/embeddings", json=body).get_json()["data"]
    assert [len(item["embedding"]) for item in data] == [DIMENSION] * 3
    assert data[0]["embedding"] == data[2]["embedding"] != data[1]["embedding"]


def test_scores_behind_the_gateway(gateway: FlaskClient) -> None:
    body = {"model": RERANKER, "query": "one", "documents": ["one", "two", "three"]}
    results = gateway.post("/v1/rerank", json=body).get_json()["results"]
    assert sorted(item["index"] for item in results) == [0, 1, 2]
    assert len({item["relevance_score"] for item in results}) == 3
