"""From tensors to vectors and scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.cross_encoder import logistic
from app.backends.encoder_batches import Row
from app.errors import BackendError
from tests.backends.encoders import CONTEXT, cross_encoder, embed, embedding, encoder_config, score
from tests.scripted_triton import Reply, ScriptedHttpTriton, tensor_reply, token_vectors


def test_cls_is_the_first_token(http_triton: ScriptedHttpTriton) -> None:
    assert embed(embedding(http_triton, pooling="cls"), [[7, 8, 9]]) == [[7.0, 1.0, 0.0]]


def test_mean_leaves_padding_out(http_triton: ScriptedHttpTriton) -> None:
    vectors = embed(embedding(http_triton, pooling="mean"), [[7, 9], [5, 6, 7, 8]])
    assert vectors == [[8.0, 1.0, 0.0], [6.5, 1.0, 0.0]]


def test_none_takes_an_output_that_is_pooled_already(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(outputs={"pooler_output": [3]})
    http_triton.output = "pooler_output"
    http_triton.infer = lambda tensors: [[1.0, 2.0, 3.0]]
    assert embed(embedding(http_triton, pooling="none"), [[7]]) == [[1.0, 2.0, 3.0]]


def test_none_on_token_vectors_is_the_backends_error(http_triton: ScriptedHttpTriton) -> None:
    with pytest.raises(BackendError):
        embed(embedding(http_triton, pooling="none"), [[7]])


def test_vectors_get_length_1(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = lambda tensors: [[[3.0, 4.0, 0.0]]]
    vectors = embed(embedding(http_triton, is_normalized=True), [[7]])
    assert vectors[0] == pytest.approx([0.6, 0.8, 0.0])


def test_a_zero_vector_stays_zero(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = lambda tensors: [[[0.0, 0.0, 0.0]]]
    assert embed(embedding(http_triton, is_normalized=True), [[7]]) == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"pooler_output": [3], "last_hidden_state": [-1, 3]}, "last_hidden_state"),
        ({"last_hidden_state": [-1, 3], "sentence_embedding": [3]}, "sentence_embedding"),
        ({"output": [-1, 3]}, "output"),
        ({"pooler_output": [3]}, "pooler_output"),
    ],
)
def test_which_output_is_read(
    http_triton: ScriptedHttpTriton, outputs: dict[str, list[int]], expected: str
) -> None:
    http_triton.config = encoder_config(outputs=outputs)
    http_triton.output = expected
    if outputs[expected] == [3]:
        http_triton.infer = lambda tensors: [[1.0, 2.0, 3.0]]
    embed(embedding(http_triton), [[7]])
    assert [wanted["name"] for wanted in http_triton.heads[0]["outputs"]] == [expected]


def test_a_configured_output_is_read(http_triton: ScriptedHttpTriton) -> None:
    http_triton.output = "mine"
    embed(embedding(http_triton, output="mine"), [[7]])
    assert [wanted["name"] for wanted in http_triton.heads[0]["outputs"]] == ["mine"]


READABLE = ("FP16", "BF16", "FP32", "FP64", "INT8", "UINT8")


@pytest.mark.parametrize("datatype", READABLE)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_token_vectors_of_every_datatype(
    http_triton: ScriptedHttpTriton, datatype: str, pooling: str
) -> None:
    http_triton.infer = lambda tensors: tensor_reply(
        "last_hidden_state", token_vectors(tensors), datatype
    )
    expected = {"cls": [7.0, 1.0, 0.0], "mean": [7.5, 1.0, 0.0]}
    served = embedding(http_triton, pooling=pooling)
    assert embed(served, [[7, 8], [7, 8]]) == [expected[pooling]] * 2


@pytest.mark.parametrize("datatype", READABLE)
def test_pooled_vectors_of_every_datatype(http_triton: ScriptedHttpTriton, datatype: str) -> None:
    http_triton.config = encoder_config(outputs={"sentence_embedding": [2]}, datatype=datatype)
    http_triton.infer = lambda tensors: tensor_reply("sentence_embedding", [[3, 4]], datatype)
    served = embedding(http_triton, is_normalized=True)
    served.check_contract()
    assert embed(served, [[7]])[0] == pytest.approx([0.6, 0.8])


def test_quantised_values_keep_their_sign(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(outputs={"sentence_embedding": [3]}, datatype="INT8")
    http_triton.infer = lambda tensors: tensor_reply(
        "sentence_embedding", [[-128, 127, -1]], "INT8"
    )
    assert embed(embedding(http_triton), [[7]]) == [[-128.0, 127.0, -1.0]]


@pytest.mark.parametrize("datatype", ["INT32", "INT64", "BOOL", "STRING"])
def test_an_output_of_another_datatype_is_told_before_it_is_used(
    http_triton: ScriptedHttpTriton, datatype: str
) -> None:
    http_triton.config = encoder_config(outputs={"sentence_embedding": [2]}, datatype=datatype)
    with pytest.raises(BackendError) as caught:
        embedding(http_triton).check_contract()
    assert "sentence_embedding" in str(caught.value.detail)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32", "FP64"])
def test_what_is_no_number_is_the_backends_error(
    http_triton: ScriptedHttpTriton, datatype: str, value: float
) -> None:
    http_triton.infer = lambda tensors: tensor_reply(
        "last_hidden_state", [[[1.0, value, 3.0]]], datatype
    )
    with pytest.raises(BackendError):
        embed(embedding(http_triton), [[7]])


# ---- rerank


def logits(http_triton: ScriptedHttpTriton, values: Any, datatype: str = "FP32") -> None:
    http_triton.config = encoder_config(outputs={"logits": [np.shape(values)[-1]]})
    http_triton.infer = lambda tensors: tensor_reply("logits", values, datatype)


@pytest.mark.parametrize(
    ("activation", "values", "expected"),
    [
        ("normalize", [[0.0]], 0.5),
        ("normalize", [[2.0]], 0.880797),
        ("normalize", [[1000.0]], 1.0),
        ("normalize", [[-1000.0]], 0.0),
        ("softmax", [[1.0, 1.0]], 0.5),
        ("softmax", [[0.0, 2.0]], 0.880797),
        ("softmax", [[5000.0, -5000.0]], 0.0),
        ("none", [[-3.5]], -3.5),
    ],
)
def test_activations(
    http_triton: ScriptedHttpTriton, activation: str, values: Any, expected: float
) -> None:
    logits(http_triton, values)
    found = score(cross_encoder(http_triton, activation=activation), [[7]])
    assert found == [pytest.approx(expected, abs=1e-6)]


@pytest.mark.parametrize(
    ("activation", "values", "expected"),
    [
        ("normalize", [[2.0]], 2.0),
        ("none", [[-3.5]], -3.5),
        ("softmax", [[1.0, 4.0]], 3.0),
    ],
)
def test_raw_scores_are_without_activation(
    http_triton: ScriptedHttpTriton, activation: str, values: Any, expected: float
) -> None:
    logits(http_triton, values)
    served = cross_encoder(http_triton, activation=activation)
    assert score(served, [[7]], is_raw=True) == [expected]


@pytest.mark.parametrize("datatype", READABLE)
def test_logits_of_every_datatype(http_triton: ScriptedHttpTriton, datatype: str) -> None:
    logits(http_triton, [[2]], datatype)
    assert score(cross_encoder(http_triton), [[7]]) == [pytest.approx(0.880797, abs=1e-6)]


@pytest.mark.parametrize(
    ("activation", "values"),
    [("normalize", [[1.0, 2.0]]), ("none", [[1.0, 2.0]]), ("softmax", [[1.0]])],
)
def test_logits_that_do_not_fit_the_activation(
    http_triton: ScriptedHttpTriton, activation: str, values: Any
) -> None:
    logits(http_triton, values)
    with pytest.raises(BackendError):
        score(cross_encoder(http_triton, activation=activation), [[7]])


@given(st.floats(-1e6, 1e6))
def test_the_logistic_function(value: float) -> None:
    result = logistic(value)
    assert 0 <= result <= 1
    assert result == pytest.approx(0.5 * (1 + math.tanh(value / 2)), abs=1e-12)


def test_a_models_second_segment_is_marked(http_triton: ScriptedHttpTriton) -> None:
    logits(http_triton, [[0.0]])
    cross_encoder(http_triton).score([Row([1, 2, 3], [0, 0, 1])], CONTEXT)
    assert http_triton.batches[0]["token_type_ids"].tolist() == [[0, 0, 1]]


# ---- garbage is 502

VECTOR = [[[1.0, 2.0, 3.0]]]
GARBAGE = {
    "NaN": lambda: tensor_reply("last_hidden_state", [[[1.0, math.nan, 3.0]]]),
    "infinity": lambda: tensor_reply("last_hidden_state", [[[1.0, math.inf, 3.0]]]),
    "too many rows": lambda: tensor_reply("last_hidden_state", VECTOR * 2),
    "no rows": lambda: tensor_reply("last_hidden_state", np.zeros((0, 1, 3))),
    "a scalar": lambda: tensor_reply("last_hidden_state", 1.0),
    "too many dimensions": lambda: tensor_reply("last_hidden_state", [VECTOR]),
    "integers": lambda: tensor_reply("last_hidden_state", [[[1, 2, 3]]], "INT64"),
    "another output": lambda: tensor_reply("other", VECTOR),
    "not JSON": lambda: Reply(200, b"<html>gateway</html>"),
    "an array of JSON": lambda: Reply(200, b"[]"),
    "nothing": lambda: Reply(200, b""),
    "fewer bytes than the shape": lambda: shortened(tensor_reply("last_hidden_state", VECTOR)),
}


def shortened(reply: Reply) -> Reply:
    return Reply(200, reply.body[:-4], reply.headers)


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_the_backends_error(http_triton: ScriptedHttpTriton, kind: str) -> None:
    http_triton.infer = lambda tensors: GARBAGE[kind]()
    with pytest.raises(BackendError) as caught:
        embed(embedding(http_triton), [[7]])
    assert caught.value.code == "backend_error"


def test_mean_of_fewer_vectors_than_tokens(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = lambda tensors: VECTOR
    with pytest.raises(BackendError):
        embed(embedding(http_triton, pooling="mean"), [[7, 8]])


def test_a_number_that_float32_cannot_hold(http_triton: ScriptedHttpTriton) -> None:
    """It would become infinity, which is no JSON."""
    http_triton.infer = lambda tensors: tensor_reply(
        "last_hidden_state", [[[1e300, 1.0, 0.0]]], "FP64"
    )
    with pytest.raises(BackendError):
        embed(embedding(http_triton), [[7]])


@pytest.mark.parametrize(
    "config",
    [b"[]", b"null", b"{", b'{"input": [{}]}', b'{"input": {}}', b'{"max_batch_size": "many"}'],
)
def test_a_configuration_that_cannot_be_read(
    http_triton: ScriptedHttpTriton, config: bytes
) -> None:
    http_triton.config = Reply(200, config)
    with pytest.raises(BackendError):
        embed(embedding(http_triton), [[7]])
