"""What completions and chat have in common: sampling, stop strings, streaming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validates_schema

from app.schemas.fields import Flag, Integer, Items, Number, StrictField, Text, mismatch, optional
from app.schemas.request import MODEL_NAME, RequestSchema
from app.types import Sampling

MAX_STOP_STRINGS = 16
MAX_STOP_LENGTH = 256
MAX_TOKENS = 2**31 - 1

STOP_STRING = Text(shortest=1, longest=MAX_STOP_LENGTH)


class StopStrings(StrictField):
    """A string, or up to 16 of them; gives a tuple."""

    many = Items(STOP_STRING, least=0, most=MAX_STOP_STRINGS)

    def parse(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, list):
            return self.many.parse(value)
        if isinstance(value, str):
            return (STOP_STRING.parse(value),)
        raise mismatch("a string or a list of strings", value)


class StreamOptions(StrictField):
    """`include_usage` and `continuous_usage_stats`, both false by default."""

    def parse(self, value: Any) -> Mapping[str, bool]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        return {
            "include_usage": self._flag(value, "include_usage"),
            "continuous_usage": self._flag(value, "continuous_usage_stats"),
        }

    def _flag(self, value: Mapping[str, Any], name: str) -> bool:
        try:
            return value.get(name) is not None and Flag().parse(value[name])
        except ValidationError as error:
            raise ValidationError({name: error.messages}) from None


def max_tokens_field(minimum: int = 1) -> Any:
    """How many tokens to generate; null leaves it to the endpoint's default."""
    return optional(Integer, minimum=minimum, maximum=MAX_TOKENS)


class GenerationSchema(RequestSchema):
    """The fields that both endpoints take, in OpenAI's order."""

    model = MODEL_NAME
    stop = optional(StopStrings, default=())
    stream = optional(Flag, default=False)
    stream_options = optional(StreamOptions)
    temperature = optional(Number, minimum=0, maximum=2)
    top_p = optional(Number, minimum=0, maximum=1)
    top_k = optional(Integer, minimum=-1, maximum=2**31 - 1)
    repetition_penalty = optional(Number, above=0, maximum=1000)
    seed = optional(Integer, minimum=-(2**63), maximum=2**64 - 1)

    @validates_schema(skip_on_field_errors=True)
    def check_stream_options(self, data: Mapping[str, Any], **_: Any) -> None:
        """`stream_options` means nothing without a stream."""
        if data["stream_options"] is not None and not data["stream"]:
            raise ValidationError("is only allowed when stream is true", "stream_options")


def common_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `Generation` from a loaded schema."""
    options = data["stream_options"] or {}
    sampling = Sampling(
        temperature=data["temperature"],
        top_p=data["top_p"],
        top_k=data["top_k"],
        repetition_penalty=data["repetition_penalty"],
        seed=data["seed"],
    )
    return {
        "model": data["model"],
        "sampling": sampling,
        "stop": data["stop"],
        "stream": data["stream"],
        "include_usage": options.get("include_usage", False),
        "continuous_usage": options.get("continuous_usage", False),
    }
