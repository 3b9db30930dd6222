"""Triton's HTTP messages against tritonclient's own writing and reading of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from app.triton.http_messages import infer_body, output_array
from app.triton.tensors import DTYPES
from tests.scripted_triton import tensor_reply

NAMES = st.text(min_size=1, max_size=8)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4))
TENSORS = st.dictionaries(
    NAMES, st.tuples(st.sampled_from(sorted(DTYPES)), SHAPES), min_size=1, max_size=3
)


def array(datatype: str, shape: tuple[int, ...]) -> Any:
    return np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[datatype])


@given(TENSORS, NAMES, st.text(max_size=8))
def test_a_request_is_what_tritonclient_sends(
    tensors: dict[str, tuple[str, tuple[int, int]]], output: str, request_id: str
) -> None:
    inputs = {name: (kind, array(kind, shape)) for name, (kind, shape) in tensors.items()}
    theirs = []
    for name, (kind, values) in inputs.items():
        theirs.append(InferInput(name, list(values.shape), kind))
        theirs[-1].set_data_from_numpy(values)
    wanted = [InferRequestedOutput(output, binary_data=True)]
    expected, size = InferenceServerClient.generate_request_body(
        theirs, outputs=wanted, request_id=request_id
    )
    body, head_size = infer_body(inputs, output, request_id)
    head = json.loads(body[:head_size])
    assert {"id": "", **json.loads(expected[:size])} == head
    assert body[head_size:] == expected[size:]


def answer(outputs: dict[str, tuple[str, tuple[int, int]]], as_json: set[str]) -> tuple[bytes, int]:
    """Outputs as Triton sends them: some as bytes, those of `as_json` in the head."""
    heads, raws = [], b""
    for name, (kind, shape) in outputs.items():
        head: dict[str, Any] = {"name": name, "datatype": kind, "shape": shape}
        raw = array(kind, shape).tobytes()
        if name in as_json:
            head["data"] = array(kind, shape).ravel().tolist()
        else:
            head["parameters"] = {"binary_data_size": len(raw)}
            raws += raw
        heads.append(head)
    written = json.dumps({"model_name": "m", "outputs": heads}).encode()
    return written + raws, len(written)


@given(TENSORS, st.data())
def test_an_answer_is_what_tritonclient_reads(
    outputs: dict[str, tuple[str, tuple[int, int]]], data: st.DataObject
) -> None:
    as_json = data.draw(st.sets(st.sampled_from(sorted(outputs))))
    body, head_size = answer(outputs, as_json)
    known = None if as_json == set(outputs) and data.draw(st.booleans()) else head_size
    theirs = InferResult.from_response_body(body, header_length=known)
    for name in outputs:
        ours, expected = output_array(memoryview(body), known, name), theirs.as_numpy(name)
        assert ours is not None
        assert ours.dtype == expected.dtype
        assert np.array_equal(ours, expected)
    assert output_array(memoryview(body), known, "nobody's name") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda head, raw: (head, raw[:-1]),
        lambda head, raw: (head.replace(b"FP32", b"FP99"), raw),
        lambda head, raw: (head.replace(b"[2, 3]", b"[2, 4]"), raw),
        lambda head, raw: (head.replace(b'"outputs"', b'"others"'), raw),
        lambda head, raw: (head[1:], raw),
    ],
    ids=["short", "datatype", "shape", "no outputs", "no JSON"],
)
def test_an_answer_that_does_not_add_up_is_refused(change: Any) -> None:
    reply = tensor_reply("x", np.ones((2, 3)))
    size = int(reply.headers["Inference-Header-Content-Length"])
    head, raw = change(reply.body[:size], reply.body[size:])
    with pytest.raises((ValueError, KeyError)):
        output_array(memoryview(head + raw), len(head), "x")
