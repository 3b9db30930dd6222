"""Texts to tensors and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BackendError
from app.triton.model_response import ParsedResponse
from app.triton.tensors import cast, infer_request
from tests.scripted_triton import message, sent

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


@given(TEXTS)
def test_texts_arrive_as_they_are(texts: list[str]) -> None:
    request = infer_request("m", "1", "id", {"x": ("BYTES", cast(texts, "BYTES"))})
    assert sent(request) == {"x": ("BYTES", texts)}


@given(TEXTS)
def test_outputs_are_read_as_they_are(texts: list[str]) -> None:
    raw = [text.encode() for text in texts]
    found = ParsedResponse(message({"x": ("BYTES", raw)}).infer_response).output("x")
    assert found is not None
    assert found.tolist() == raw


def test_the_shape_is_kept() -> None:
    assert cast("one", "BYTES").shape == ()
    assert cast([["one", b"two"]], "BYTES").tolist() == [[b"one", b"two"]]


@pytest.mark.parametrize("value", [5, [1.5], [["a", None]]])
def test_what_is_no_text(value: Any) -> None:
    with pytest.raises(BackendError):
        cast(value, "BYTES")


@pytest.mark.parametrize(
    "raw", [b"\3\0\0\0ab", b"\1\0\0", b"\1\0\0\0a\1\0\0\0", b"\0\0\0\0\0\0\0\0"]
)
def test_bytes_that_do_not_make_one_text(raw: bytes) -> None:
    response = message({"x": ("BYTES", [b"a"])}).infer_response
    response.raw_output_contents[0] = raw
    with pytest.raises(BackendError):
        ParsedResponse(response).output("x")
