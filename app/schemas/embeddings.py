"""https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, post_load

from app.schemas.fields import Choice, Integer, StrictField, check_length, each, mismatch, optional
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.token_ids import parse_token_ids
from app.types import EmbedRequest, Prompt

MAX_INPUTS = 2048


class Inputs(StrictField):
    """A string, strings, token ids, or lists of token ids; gives a tuple of inputs."""

    def parse(self, value: Any) -> tuple[Prompt, ...]:
        if isinstance(value, str):
            return (_text(value),)
        if not isinstance(value, list):
            raise mismatch("a string, a list of strings, token ids or lists of token ids", value)
        check_length(value, 1, 2**31)
        if isinstance(value[0], (str, list)):
            check_length(value, 1, MAX_INPUTS)
            parse_one = _text if isinstance(value[0], str) else parse_token_ids
            return tuple(each(value, parse_one))
        return (parse_token_ids(value),)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise mismatch("a string like the first input", value)
    if not value:
        raise ValidationError("must not be empty")
    return value


class EmbeddingSchema(RequestSchema):
    """Gives an `EmbedRequest`."""

    order = ("model", "input", "encoding_format", "dimensions")

    model = MODEL_NAME
    input = Inputs(required=True)
    encoding_format = optional(Choice, "float", "base64", default="float")
    dimensions = optional(Integer, minimum=1, maximum=2**31 - 1)
    truncate = optional(Choice, "end", "none", default="end")

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> EmbedRequest:
        """The frozen request."""
        return EmbedRequest(
            model=data["model"],
            inputs=data["input"],
            is_base64=data["encoding_format"] == "base64",
            dimensions=data["dimensions"],
            may_truncate=data["truncate"] != "none",
        )
