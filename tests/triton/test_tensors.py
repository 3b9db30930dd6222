"""numpy arrays to tensors and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.triton.model_response import ParsedResponse
from app.triton.tensors import cast, infer_request
from tests.scripted_triton import message, sent


@given(st.integers(-(2**31), 2**32 - 1))
def test_ids_become_twos_complement(value: int) -> None:
    assert cast(value, "UINT32").item() == value % 2**32


@given(st.integers(0, 2**64 - 1))
def test_seeds_keep_their_64_bits(seed: int) -> None:
    assert cast(np.uint64(seed), "UINT64").item() == seed


@pytest.mark.parametrize(
    ("value", "datatype", "expected"),
    [
        (0.7, "FP32", np.float32(0.7)),
        (1, "BOOL", True),
        (0, "BOOL", False),
        (3.0, "UINT32", 3),
        (-1, "INT32", -1),
        (-1, "INT64", -1),
    ],
)
def test_casts(value: Any, datatype: str, expected: Any) -> None:
    assert cast(value, datatype).item() == expected


def test_a_request_carries_raw_little_endian_bytes() -> None:
    request = infer_request("m", "1", "id", {"x": ("INT32", np.array([[1, 256]], np.int32))})
    assert request.raw_input_contents[0] == b"\1\0\0\0\0\1\0\0"
    assert sent(request) == {"x": ("INT32", [[1, 256]])}


def test_an_output_is_found_by_its_name_in_any_order() -> None:
    response = message({"b": ("FP32", [[1.5]]), "a": ("INT32", [[7, 8]])}).infer_response
    found = ParsedResponse(response).output("a")
    assert found is not None
    assert found.tolist() == [[7, 8]]
    assert ParsedResponse(response).output("c") is None
