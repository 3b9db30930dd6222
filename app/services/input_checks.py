"""What is checked of a request's texts and ids before they cost anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import ContextLengthExceeded, InvalidRequest

# Tokenising less than this takes under a millisecond, which the event loop can bear.
MAX_CHARACTERS_ON_LOOP = 4096
# More are refused without tokenising. Only long runs of blanks or the like could still fit.
MAX_CHARACTERS_PER_TOKEN = 16


def check_length(num_characters: int, max_tokens: int, param: str) -> None:
    """Refuse a text that cannot fit a context of `max_tokens`, before it is tokenised."""
    longest = max_tokens * MAX_CHARACTERS_PER_TOKEN
    if num_characters > longest:
        raise ContextLengthExceeded(
            f"{param} has {num_characters} characters, which is more than the model's context of"
            f" {max_tokens} tokens can hold",
            param=param,
        )


def is_long(num_characters: int) -> bool:
    """Whether working on so much text must not happen on the event loop."""
    return num_characters > MAX_CHARACTERS_ON_LOOP


def count_characters(value: Any) -> int:
    """How many characters the strings and keys in JSON-like data have; a number counts as one."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + count_characters(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(count_characters, value))
    return 1


def check_vocabulary(ids: Sequence[int], vocabulary_size: int, param: str) -> None:
    """Refuse ids that the model does not have: FasterTransformer reads beyond its memory."""
    wrong = next((token_id for token_id in ids if not 0 <= token_id < vocabulary_size), None)
    if wrong is not None:
        raise InvalidRequest(
            f"{param}: token id {wrong} is not in the model's vocabulary of"
            f" {vocabulary_size} tokens",
            param=param,
        )
