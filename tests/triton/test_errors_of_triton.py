"""Triton's words never reach a client: api 9, reliability F10."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.triton.errors import classify

CODES = [None, "UNAVAILABLE", "NOT_FOUND", "INTERNAL", "INVALID_ARGUMENT", "UNKNOWN", "400", "500"]


@given(
    st.sampled_from(CODES),
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=4),
)
def test_the_message_is_ours_and_the_detail_is_tritons(status: str | None, text: str) -> None:
    error = classify(status, text)
    assert text not in error.message
    assert text in str(error.detail)
    assert error.status in (429, 502, 503, 504)


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", "backend_unavailable"),
        ("UNAVAILABLE", "Exceeds maximum queue size", "model_overloaded"),
        ("UNAVAILABLE", "Request timeout expired", "backend_timeout"),
        (
            "INVALID_ARGUMENT",
            "Request for unknown model: 'x' is not found",
            "backend_model_missing",
        ),
        (None, "expected number of inputs between 3 and 20 but got 2 inputs", "backend_error"),
        (None, "input 'x' batch size does not match other inputs for 'm'", "backend_error"),
    ],
)
def test_words_come_before_the_status(status: str | None, text: str, code: str) -> None:
    assert classify(status, text).code == code
