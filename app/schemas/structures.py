"""The ways to ask for text of a structure: OpenAI's `response_format`, and vLLM's fields."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from marshmallow import ValidationError

from app import offload
from app.schemas.fields import Flag, Items, StrictField, Text, mismatch, optional, within
from app.schemas.regular_expressions import problem_of
from app.types import StructuredOutput

MAX_CHOICES = 1024
MAX_CHOICE_LENGTH = 1024
# Bytes of a schema as JSON, of a pattern and of a grammar as UTF-8.
MAX_BYTES = 64 * 1024
# Characters above which a pattern is looked at off the event loop.
MAX_PATTERN_ON_LOOP = 4096


class Pattern(Text):
    """A text of at most 64 KiB."""

    def parse(self, value: Any) -> str:
        text = super().parse(value)
        check_bytes(text.encode())
        return text


class RegularExpression(Pattern):
    """One whose brackets and quantifiers are whole; engines differ in all else."""

    def parse(self, value: Any) -> str:
        pattern = super().parse(value)
        problem = offload.run_if(len(pattern) > MAX_PATTERN_ON_LOOP, problem_of, pattern)
        if problem is not None:
            raise ValidationError(f"must be a regular expression, but {problem}")
        return pattern


PATTERN = Pattern(shortest=1)
CHOICES = Items(Text(shortest=1, longest=MAX_CHOICE_LENGTH), most=MAX_CHOICES)


def check_bytes(encoded: bytes) -> None:
    """Raises ValidationError for more than 64 KiB."""
    if len(encoded) > MAX_BYTES:
        raise ValidationError(f"must have at most {MAX_BYTES} bytes, but has {len(encoded)}")


def check_size(value: Any) -> None:
    """Raises ValidationError for what is more than 64 KiB as JSON, or too deeply nested."""
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise ValidationError("must be JSON of fewer than 255 levels") from None
    check_bytes(encoded)


def parse_schema(value: Any) -> Mapping[str, Any]:
    """A JSON schema as an object of bounded size."""
    if not isinstance(value, dict):
        raise mismatch("an object, the JSON schema", value)
    check_size(value)
    return value


class Schema(StrictField):
    """A JSON schema, an object or its text; gives the object."""

    def parse(self, value: Any) -> Any:
        if isinstance(value, str):
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(value)
        return parse_schema(value)


class ResponseFormat(StrictField):
    """OpenAI's object with a `type`; gives a kind and its value, None for plain text."""

    def parse(self, value: Any) -> tuple[str, Any] | None:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind == "text":
            return None
        if kind == "json_object":
            return kind, None
        if kind == "json_schema":
            return kind, self._schema(value.get("json_schema"))
        if kind == "structural_tag":
            check_size(value)
            return kind, value
        raise mismatch(
            'an object whose type is "text", "json_object", "json_schema" or "structural_tag"',
            value,
        )

    @staticmethod
    def _schema(value: Any) -> Any:
        schema = value.get("schema") if isinstance(value, dict) else None
        with within("json_schema"), within("schema"):
            return parse_schema(schema)


KINDS: Mapping[str, tuple[str, StrictField]] = {
    "json": ("json_schema", Schema()),
    "regex": ("regex", RegularExpression(shortest=1)),
    "choice": ("choice", CHOICES),
    "grammar": ("grammar", PATTERN),
    "structural_tag": ("structural_tag", PATTERN),
}


class StructuredOutputs(StrictField):
    """vLLM's object with one of json, regex, choice, grammar, json_object, structural_tag."""

    def parse(self, value: Any) -> tuple[str, Any] | None:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        chosen = {name: item for name, item in value.items() if name in KINDS and item is not None}
        if self._is_any_object(value.get("json_object")):
            chosen["json_object"] = None
        if not chosen:
            self._check_names(value)
            return None
        if len(chosen) > 1:
            raise ValidationError(f"must hold one of them, but has {', '.join(chosen)}")
        ((name, item),) = chosen.items()
        if name == "json_object":
            return name, None
        kind, field = KINDS[name]
        with within(name):
            return kind, field.parse(item)

    @staticmethod
    def _check_names(value: Mapping[str, Any]) -> None:
        """An object that asks for nothing must not be a misspelt one."""
        names = (*KINDS, "json_object")
        wrong = [name for name, item in value.items() if item is not None and name not in names]
        if wrong:
            message = f"is no structure by itself; there are {', '.join(names)}"
            raise ValidationError({wrong[0][:64]: [message]})

    @staticmethod
    def _is_any_object(value: Any) -> bool:
        with within("json_object"):
            return value is not None and Flag().parse(value)


class Guided(StrictField):
    """One of vLLM's older fields, `guided_json` and the like."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.field = KINDS[name]

    def parse(self, value: Any) -> tuple[str, Any]:
        return self.kind, self.field.parse(value)


STRUCTURE_FIELDS = {
    "response_format": optional(ResponseFormat),
    "structured_outputs": optional(StructuredOutputs),
    "guided_json": optional(Guided, "json"),
    "guided_regex": optional(Guided, "regex"),
    "guided_choice": optional(Guided, "choice"),
    "guided_grammar": optional(Guided, "grammar"),
}


def structured_output(data: Mapping[str, Any]) -> StructuredOutput | None:
    """What a loaded schema asks for. Raises ValidationError for more than one of the fields."""
    given = [name for name in STRUCTURE_FIELDS if data[name] is not None]
    if len(given) > 1:
        raise ValidationError(f"excludes {given[0]}, which is there too", given[1])
    if not given:
        return None
    kind, value = data[given[0]]
    return StructuredOutput(kind, value, given[0])
