"""all-MiniLM-L6-v2 in numpy against PyTorch's vectors, and its tensors on the wire."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from demo.minilm.encoder import erf
from demo.minilm.pooling import sentence_embeddings

FIXTURE = Path(__file__).parent / "fixtures" / "minilm.json"
CASES = json.loads(FIXTURE.read_text())["cases"]
MODEL = "all-minilm-l6-v2"


def batch(cases, dtype=np.int64, names=("input_ids", "attention_mask", "token_type_ids")):
    """The tensors of the cases' texts, padded to the longest."""
    width = max(len(case["input_ids"]) for case in cases)
    ids, mask = np.zeros((2, len(cases), width), dtype)
    for row, case in enumerate(cases):
        ids[row, : len(case["input_ids"])] = case["input_ids"]
        mask[row, : len(case["input_ids"])] = 1
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: arrays[name] for name in names}


def hidden_states(client, arrays, model=MODEL):
    return client.infer(model, **arrays).as_numpy("last_hidden_state")


@pytest.mark.parametrize("case", CASES, ids=[case["text"][:20] for case in CASES])
def test_the_vectors_are_those_of_the_reference(client, case):
    arrays = batch([case])
    hidden = hidden_states(client, arrays)
    assert hidden.shape == (1, len(case["input_ids"]), 384)
    assert np.abs(hidden[0, 0] - case["cls_hidden_state"]).max() < 1e-4
    vector = sentence_embeddings(hidden, arrays["attention_mask"])[0]
    assert vector @ case["embedding"] / np.linalg.norm(case["embedding"]) >= 0.9999
    assert np.abs(vector - case["embedding"]).max() < 1e-4


def test_padding_does_not_change_a_vector(client):
    arrays = batch(CASES)
    vectors = sentence_embeddings(hidden_states(client, arrays), arrays["attention_mask"])
    assert np.abs(vectors - [case["embedding"] for case in CASES]).max() < 1e-4


def test_a_model_that_pools_inside(client):
    vectors = client.infer("embed-pooled", **batch(CASES)).as_numpy("sentence_embedding")
    assert vectors.shape == (len(CASES), 384)
    assert np.abs(vectors - [case["embedding"] for case in CASES]).max() < 1e-4


def test_a_model_with_int32_inputs_and_no_segments(client):
    small = batch(CASES, np.int32, ("input_ids", "attention_mask"))
    expected = hidden_states(client, batch(CASES))
    assert (hidden_states(client, small, "embed-int32") == expected).all()


@pytest.mark.parametrize(
    ("ids", "text"),
    [([101] * 513, "513 tokens exceed the 512"), ([40000], "outside the vocabulary")],
)
def test_what_the_model_cannot_read_is_an_error(client, ids, text):
    with pytest.raises(InferenceServerException, match=text):
        client.infer(MODEL, **batch([{"input_ids": ids}]))


def test_more_than_32_texts_are_refused(client):
    with pytest.raises(InferenceServerException, match="batch-size must be <= 32"):
        client.infer(MODEL, **batch(CASES[:1] * 33))


def test_erf_is_accurate_to_a_float32():
    values = np.linspace(-5, 5, 2001, dtype=np.float32)
    expected = [math.erf(value) for value in values.tolist()]
    assert np.abs(erf(values) - expected).max() < 5e-7
