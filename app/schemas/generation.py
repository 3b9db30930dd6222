"""What completions and chat have in common: sampling, stop strings, streaming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validates_schema

from app.schemas.fields import (
    Flag,
    Integer,
    Items,
    Number,
    StrictField,
    Text,
    mismatch,
    optional,
    within,
)
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.structures import STRUCTURE_FIELDS, structured_output
from app.types import Sampling

MAX_STOP_STRINGS = 16
MAX_STOP_LENGTH = 256
MAX_TOKENS = 2**31 - 1
MAX_CHOICES = 16
MAX_BEAMS = 32
MAX_BIASES = 300
MAX_STOP_TOKENS = 256
MAX_BAD_WORDS = 256

STOP_STRING = Text(shortest=1, longest=MAX_STOP_LENGTH)
TOKEN_ID = Integer(minimum=0, maximum=2**31 - 1)


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
        with within(name):
            return value.get(name) is not None and Flag().parse(value[name])


class LogitBias(StrictField):
    """Token ids as strings, each with a number from -100 to 100; gives a mapping of ids."""

    bias = Number(minimum=-100, maximum=100)

    def parse(self, value: Any) -> Mapping[int, float]:
        if not isinstance(value, dict):
            raise mismatch("an object of token ids and numbers", value)
        if len(value) > MAX_BIASES:
            raise ValidationError(f"must have at most {MAX_BIASES} entries, but has {len(value)}")
        return dict(self._entry(name, item) for name, item in value.items())

    def _entry(self, name: str, item: Any) -> tuple[int, float]:
        with within(name):
            if not (name.isascii() and name.isdigit() and len(name) <= 10):
                raise mismatch("named by a token id", name)
            return int(name), self.bias.parse(item)


def max_tokens_field(minimum: int = 1) -> Any:
    """How many tokens to generate; null leaves it to the endpoint's default."""
    return optional(Integer, minimum=minimum, maximum=MAX_TOKENS)


def num_choices_field() -> Any:
    """How many answers to a prompt."""
    return optional(Integer, minimum=1, maximum=MAX_CHOICES, default=1)


class GenerationSchema(RequestSchema.from_dict(STRUCTURE_FIELDS)):  # type: ignore[misc]  # made at run time
    """The fields that both endpoints take, in OpenAI's order."""

    model = MODEL_NAME
    n = num_choices_field()
    stop = optional(StopStrings, default=())
    stop_token_ids = optional(Items, TOKEN_ID, least=0, most=MAX_STOP_TOKENS, default=())
    include_stop_str_in_output = optional(Flag, default=False)
    stream = optional(Flag, default=False)
    stream_options = optional(StreamOptions)
    temperature = optional(Number, minimum=0, maximum=2)
    top_p = optional(Number, minimum=0, maximum=1)
    top_k = optional(Integer, minimum=-1, maximum=2**31 - 1)
    min_p = optional(Number, minimum=0, maximum=1)
    repetition_penalty = optional(Number, above=0, maximum=1000)
    presence_penalty = optional(Number, minimum=-2, maximum=2)
    frequency_penalty = optional(Number, minimum=-2, maximum=2)
    logit_bias = optional(LogitBias)
    bad_words = optional(
        Items, Text(shortest=1, longest=MAX_STOP_LENGTH), least=0, most=MAX_BAD_WORDS, default=()
    )
    seed = optional(Integer, minimum=-(2**63), maximum=2**64 - 1)
    min_tokens = optional(Integer, minimum=0, maximum=MAX_TOKENS)
    ignore_eos = optional(Flag, default=False)
    skip_special_tokens = optional(Flag, default=True)
    use_beam_search = optional(Flag, default=False)
    beam_width = optional(Integer, minimum=1, maximum=MAX_BEAMS)
    length_penalty = optional(Number, minimum=-10, maximum=10)

    @validates_schema(skip_on_field_errors=True)
    def check_stream_options(self, data: Mapping[str, Any], **_: Any) -> None:
        """`stream_options` means nothing without a stream."""
        if data["stream_options"] is not None and not data["stream"]:
            raise ValidationError("is only allowed when stream is true", "stream_options")

    @validates_schema(skip_on_field_errors=True)
    def check_beams(self, data: Mapping[str, Any], **_: Any) -> None:
        """Beams are compared at the end, so they cannot be streamed."""
        width = num_beams(data)
        if width is None:
            if data["use_beam_search"]:
                raise ValidationError("needs a beam_width of 2 or more", "use_beam_search")
            if data["length_penalty"] not in (None, 1):
                raise ValidationError("is only allowed with use_beam_search", "length_penalty")
        elif data["stream"]:
            field = "use_beam_search" if data["use_beam_search"] else "beam_width"
            raise ValidationError("is not allowed when stream is true", field)
        elif data["n"] > width:
            raise ValidationError(
                f"must be at most the beam width of {width}, but was {data['n']}", "n"
            )

    @validates_schema(skip_on_field_errors=True)
    def check_min_tokens(self, data: Mapping[str, Any], **_: Any) -> None:
        """There must be room for the least that is asked for."""
        limit_param, most = limit_of(data)
        if most is not None and (data["min_tokens"] or 0) > most:
            raise ValidationError(
                f"must be at most {limit_param}, which is {most}, but was {data['min_tokens']}",
                "min_tokens",
            )

    @validates_schema(skip_on_field_errors=True)
    def check_structure(self, data: Mapping[str, Any], **_: Any) -> None:
        """A text has one structure."""
        structured_output(data)


def limit_of(data: Mapping[str, Any]) -> tuple[str, int | None]:
    """The field that limits an answer's tokens, and its value; of two names the newer wins."""
    newer = data.get("max_completion_tokens")
    return ("max_completion_tokens", newer) if newer else ("max_tokens", data["max_tokens"])


def common_values(data: Mapping[str, Any], logprobs: int | None) -> dict[str, Any]:
    """The keyword arguments of `Generation` from a loaded schema."""
    options = data["stream_options"] or {}
    return {
        "model": data["model"],
        "sampling": _sampling(data, logprobs),
        "n": data["n"],
        "stop": data["stop"],
        "stop_token_ids": data["stop_token_ids"],
        "has_stop_in_output": data["include_stop_str_in_output"],
        "skip_special_tokens": data["skip_special_tokens"],
        "stream": data["stream"],
        "include_usage": options.get("include_usage", False),
        "continuous_usage": options.get("continuous_usage", False),
    }


def _sampling(data: Mapping[str, Any], logprobs: int | None) -> Sampling:
    return Sampling(
        temperature=data["temperature"],
        top_p=data["top_p"],
        top_k=data["top_k"],
        min_p=data["min_p"],
        repetition_penalty=data["repetition_penalty"],
        presence_penalty=data["presence_penalty"] or None,
        frequency_penalty=data["frequency_penalty"] or None,
        seed=data["seed"],
        logit_bias=data["logit_bias"] or None,
        bad_words=data["bad_words"] or None,
        min_tokens=data["min_tokens"] or None,
        ignore_eos=data["ignore_eos"] or None,
        beam_width=num_beams(data),
        length_penalty=data["length_penalty"],
        logprobs=logprobs,
        structured_output=structured_output(data),
    )


def num_beams(data: Mapping[str, Any]) -> int | None:
    """None for none; `use_beam_search` alone takes as many beams as candidates are asked for."""
    width = data["beam_width"] or 1
    if data["use_beam_search"] and data["beam_width"] is None:
        width = max(data["n"], data.get("best_of") or 1)
    return width if width > 1 else None
