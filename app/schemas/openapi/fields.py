"""What a field takes, as JSON Schema 2020-12, made of the field's own limits.

The rules that hold between several fields, and limits in bytes, are not in it.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from app.schemas.chat import MAX_KWARG_LENGTH, Documents, TemplateKwargs
from app.schemas.completions import NumLogprobs
from app.schemas.embed_v2 import TextInput
from app.schemas.fields import (
    BOOLEANS,
    DIGITS,
    Anything,
    Choice,
    Flag,
    Integer,
    Items,
    Number,
    OptionalField,
    Text,
)
from app.schemas.generation import MAX_BIASES, STOP_STRING, LogitBias, StopStrings, StreamOptions
from app.schemas.openapi.shapes import (
    BOOLEAN,
    OBJECT,
    STRING,
    JsonSchema,
    list_of,
    nullable,
    object_of,
    tagged,
    union,
)
from app.schemas.prompts import MAX_IDS, TOKEN_ID, Prompts
from app.schemas.rerank import Document
from app.schemas.score import Texts
from app.schemas.structures import KINDS, Guided, ResponseFormat, Schema, StructuredOutputs
from app.schemas.tokenization import TokenIds
from app.schemas.truncation import CaselessChoice, TokenLimit
from app.schemas.unsupported import Neutral


@singledispatch
def json_schema(field: Any) -> JsonSchema:
    """The values that the field takes. Raises TypeError for a kind of field that is not here."""
    raise TypeError(f"{type(field).__name__} has no JSON schema")


@json_schema.register
def _(field: OptionalField) -> JsonSchema:
    schema = nullable(json_schema(field.inner))
    if isinstance(field.default, (bool, str, int)):
        schema["default"] = field.default
    return schema


@json_schema.register
def _(field: Text) -> JsonSchema:
    shortest = {"minLength": field.shortest} if field.shortest else {}
    longest = {} if field.longest is None else {"maxLength": field.longest}
    return {**STRING, **shortest, **longest}


@json_schema.register
def _(field: Flag) -> JsonSchema:
    return union(BOOLEAN, {"type": "string", "enum": list(BOOLEANS)})


@json_schema.register
def _(field: Number) -> JsonSchema:
    bounds = {
        "minimum": field.minimum,
        "maximum": field.maximum,
        "exclusiveMinimum": field.above,
    }
    kept = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"type": "integer" if isinstance(field, Integer) else "number", **kept}


@json_schema.register
def _(field: Integer) -> JsonSchema:
    number = json_schema.dispatch(Number)(field)
    if not field.may_be_string:
        return number
    return union(number, {"type": "string", "pattern": f"^{DIGITS.pattern}$"})


@json_schema.register
def _(field: NumLogprobs) -> JsonSchema:
    return union(json_schema.dispatch(Integer)(field), {"const": False})


@json_schema.register
def _(field: TokenLimit) -> JsonSchema:
    return {**json_schema.dispatch(Integer)(field), "not": {"const": 0}}


@json_schema.register
def _(field: Choice) -> JsonSchema:
    return {"type": "string", "enum": list(field.choices)}


@json_schema.register
def _(field: CaselessChoice) -> JsonSchema:
    cases = (f"({''.join(map(_both_cases, choice))})" for choice in field.choices)
    return {**STRING, "pattern": f"^({'|'.join(cases)})$", "examples": list(field.choices)}


def _both_cases(letter: str) -> str:
    return f"[{letter.lower()}{letter.upper()}]"


@json_schema.register
def _(field: Items) -> JsonSchema:
    return list_of(json_schema(field.item), field.least, field.most)


@json_schema.register
def _(field: Anything) -> JsonSchema:
    return {}


@json_schema.register
def _(field: Neutral) -> JsonSchema:
    texts = [
        text for text, value in BOOLEANS.items() if any(value is each for each in field.neutral)
    ]
    return {
        "enum": [*field.neutral, *texts, None],
        "description": "Not supported: only a value that changes nothing is taken.",
    }


@json_schema.register
def _(field: StopStrings) -> JsonSchema:
    return union(json_schema(STOP_STRING), json_schema(field.many))


@json_schema.register
def _(field: StreamOptions) -> JsonSchema:
    flag = nullable(json_schema(Flag()))
    return object_of({"include_usage": flag, "continuous_usage_stats": flag})


@json_schema.register
def _(field: LogitBias) -> JsonSchema:
    return {
        **OBJECT,
        "propertyNames": {"pattern": "^[0-9]{1,10}$"},
        "additionalProperties": json_schema(field.bias),
        "maxProperties": MAX_BIASES,
    }


TOKEN_IDS = list_of(json_schema(TOKEN_ID), 1, MAX_IDS)


@json_schema.register
def _(field: Prompts) -> JsonSchema:
    text = STRING if field.may_be_empty else {**STRING, "minLength": 1}
    texts, lists = list_of(text, 1, field.most), list_of(TOKEN_IDS, 1, field.most)
    return union(text, texts, TOKEN_IDS, lists)


@json_schema.register
def _(field: TokenIds) -> JsonSchema:
    return {name: bound for name, bound in TOKEN_IDS.items() if name != "minItems"}


@json_schema.register
def _(field: Texts) -> JsonSchema:
    return union(json_schema(field.one), json_schema(field.several))


@json_schema.register
def _(field: Document) -> JsonSchema:
    return union(STRING, object_of({"text": STRING}, "text"))


@json_schema.register
def _(field: TextInput) -> JsonSchema:
    part = tagged("text", text=json_schema(field.text))
    return object_of({"content": list_of(part, 1, 1)}, "content")


@json_schema.register
def _(field: Documents) -> JsonSchema:
    return list_of(OBJECT, field.items.least, field.items.most)


@json_schema.register
def _(field: TemplateKwargs) -> JsonSchema:
    text = {**STRING, "maxLength": MAX_KWARG_LENGTH}
    return {**OBJECT, "additionalProperties": union(BOOLEAN, text)}


@json_schema.register
def _(field: Schema) -> JsonSchema:
    return union(OBJECT, {**STRING, "pattern": r"^\s*\{[\s\S]*\}\s*$", "description": "Its text."})


@json_schema.register
def _(field: Guided) -> JsonSchema:
    return json_schema(field.field)


@json_schema.register
def _(field: ResponseFormat) -> JsonSchema:
    structure = object_of({"schema": OBJECT}, "schema")
    return union(
        tagged("text"),
        tagged("json_object"),
        tagged("json_schema", json_schema=structure),
        tagged("structural_tag"),
    )


@json_schema.register
def _(field: StructuredOutputs) -> JsonSchema:
    structures = {name: nullable(json_schema(inner)) for name, (_, inner) in KINDS.items()}
    flag = nullable(json_schema(Flag()))
    return object_of({**structures, "json_object": flag})
