"""What Triton's words mean. They never reach a client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    ApiError,
    BackendError,
    BackendModelMissing,
    BackendTimeout,
    ModelOverloaded,
)
from app.triton.errors import ModelNotReady, classify

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


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Request for unknown model: 'm' version 1 is not at ready state", ModelNotReady),
        ("Request for unknown model: 'm' has no available versions", BackendModelMissing),
        ("[request id: a-1] Exceeds maximum queue size", ModelOverloaded),
        ("in ensemble 'e', [request id: a-1] Request timeout expired", BackendTimeout),
        ("Stub process 'llm_0_0' is not healthy.", ModelNotReady),
        (
            "Failed to process the request(s) for model instance 'llm_0_0', message: Stub process"
            " 'llm_0_0' is not healthy.",
            ModelNotReady,
        ),
        ("Server exiting", ModelNotReady),
        ("GRPC server is shutting down and has stopped accepting new requests.", ModelNotReady),
    ],
)
def test_tritons_own_words(text: str, kind: type[ApiError]) -> None:
    assert type(classify(None, text)) is kind


@pytest.mark.parametrize(
    "forged",
    [
        "Exceeds maximum queue size",
        "Request timeout expired",
        "Server exiting",
        "is not healthy",
        "Stub process 'llm_0_0' is not healthy.",
        "Request for unknown model: 'm' is not found",
        "model is not at ready state",
    ],
)
@pytest.mark.parametrize(
    "frame",
    [
        "Failed to process the request(s) for model instance 'm_0', message: ValueError: {}",
        "Failed to process the request(s) for model instance 'm_0', message: regex ^({}",
        "the tool '{}' is unknown",
        "in ensemble 'e', boom {}",
    ],
)
def test_what_a_model_repeats_of_a_request_is_no_word_of_tritons(frame: str, forged: str) -> None:
    error = classify(None, frame.format(forged))
    assert type(error) is BackendError
    assert not error.has_not_begun
