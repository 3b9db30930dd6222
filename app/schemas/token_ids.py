"""Token ids as clients send them: whole numbers, at least one."""

from __future__ import annotations

from typing import Any

from app.schemas.fields import Integer, check_length, each, mismatch

MAX_IDS = 2**20

TOKEN_ID = Integer(minimum=0, maximum=2**31 - 1)


def parse_token_ids(value: Any) -> tuple[int, ...]:
    """A list of token ids as a tuple; whether they are in the vocabulary is the model's to say."""
    if not isinstance(value, list):
        raise mismatch("a list of token ids", value)
    check_length(value, 1, MAX_IDS)
    if all(type(item) is int and 0 <= item < 2**31 for item in value):
        return tuple(value)
    return tuple(each(value, TOKEN_ID.parse))
