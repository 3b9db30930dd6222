"""Texts and token ids as clients send them to completions and embeddings."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError

from app.schemas.fields import Integer, StrictField, check_length, each, mismatch
from app.types import Prompt

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


class Prompts(StrictField):
    """A string, strings, token ids, or lists of token ids; gives a tuple of `Prompt`s.

    `most` bounds how many prompts there may be.
    """

    def __init__(self, *, most: int, may_be_empty: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most = most
        self.may_be_empty = may_be_empty

    def parse(self, value: Any) -> tuple[Prompt, ...]:
        if isinstance(value, str):
            return (self._text(value),)
        if not isinstance(value, list):
            raise mismatch("a string, a list of strings, token ids or lists of token ids", value)
        if not value or not isinstance(value[0], (str, list)):
            return (parse_token_ids(value),)
        check_length(value, 1, self.most)
        parse_one = self._text if isinstance(value[0], str) else parse_token_ids
        return tuple(each(value, parse_one))

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise mismatch("a string like the first one", value)
        if not value and not self.may_be_empty:
            raise ValidationError("must not be empty")
        return value
