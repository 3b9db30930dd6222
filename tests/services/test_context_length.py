"""Whether a prompt and what is asked for fit the context."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.errors import ContextLengthExceeded, InvalidRequest
from app.services.generation import max_new_tokens
from app.services.input_checks import check_length, check_vocabulary
from app.types import Generation


def model(max_len: int) -> Any:
    facts = SimpleNamespace(max_len=max_len)
    return SimpleNamespace(spec=SimpleNamespace(facts=facts, max_model_len=max_len))


@pytest.mark.parametrize(
    ("num_prompt", "wanted", "default", "expected"),
    [
        (10, 5, 16, 5),
        (10, 90, 16, 90),
        (10, None, 16, 16),
        (90, None, 16, 10),
        (99, None, 16, 1),
        (10, None, None, 90),
        (99, 1, None, 1),
        (99, 0, 16, 0),
        (100, 0, 16, 0),
    ],
)
def test_how_many_tokens_are_generated(
    num_prompt: int, wanted: int | None, default: int | None, expected: int
) -> None:
    request = Generation(model="m", max_tokens=wanted)
    assert max_new_tokens(model(100), [1] * num_prompt, request, default, "prompt") == expected


@pytest.mark.parametrize(("num_prompt", "wanted"), [(10, 91), (100, 1), (100, None), (101, None)])
def test_what_does_not_fit_is_refused(num_prompt: int, wanted: int | None) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        max_new_tokens(
            model(100), [1] * num_prompt, Generation(model="m", max_tokens=wanted), 16, "prompt"
        )
    error = caught.value
    assert ("max_tokens" in error.message) == (wanted is not None)
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "prompt")
    for number in (num_prompt, wanted, 100):
        assert number is None or str(number) in error.message


@pytest.mark.parametrize(("num_characters", "is_allowed"), [(1600, True), (1601, False)])
def test_a_text_that_cannot_fit_is_refused_before_it_is_tokenised(
    num_characters: int, is_allowed: bool
) -> None:
    """More than 16 characters for each token of the context."""
    if is_allowed:
        check_length(num_characters, 100, "prompt")
        return
    with pytest.raises(ContextLengthExceeded):
        check_length(num_characters, 100, "prompt")


@pytest.mark.parametrize("ids", [[0, 99, 100], [-1], [2**31 - 1]])
def test_ids_outside_the_vocabulary_are_refused(ids: list[int]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_vocabulary(ids, 100, "prompt")
    assert caught.value.param == "prompt"


def test_every_id_of_the_vocabulary_is_allowed() -> None:
    check_vocabulary(range(100), 100, "prompt")
