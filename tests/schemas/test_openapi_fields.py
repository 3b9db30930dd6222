"""The document refuses the values that a field refuses, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
from marshmallow import ValidationError

from app.schemas.openapi.document import as_dict
from app.schemas.openapi.operation import BODIES as SCHEMAS
from app.schemas.unsupported import Neutral
from tests.hostile.openapi.bodies import BODIES, VALUES, changed, places, without

DOCUMENT = as_dict(frozenset(), needs_key=False)["components"]
# What JSON Schema cannot say: limits in digits of a string, and rules between items.
SAID_IN_WORDS = (
    "must hold one of them",
    "is no structure by itself",
    "must be an integer, 1 or more, but was 0",
    "must be an integer between 1 and",
    "as another one has",
    "ends with a tool_use",
    "must hold a message",
)


FIELDS_OF = {name: schema().fields for name, schema in SCHEMAS.items()}


@cache
def validator(name: str, field: str) -> Any:
    schema = DOCUMENT["schemas"][name]["properties"][field]
    return jsonschema.Draft202012Validator({"components": DOCUMENT, **schema})


def problem(name: str, field: str, value: Any) -> Any:
    """What the field itself says of a value, None where it takes it."""
    try:
        FIELDS_OF[name][field].deserialize(value)
    except ValidationError as error:
        return error.messages
    return None


def variants(value: Any) -> Iterator[Any]:
    yield value
    for path in places(value):
        yield from (changed(value, path, other) for other in VALUES)
        if path:
            yield without(value, path)


# A null model is replaced by the only one before the schema is asked.
FIELDS = [
    (name, field)
    for name, fields in FIELDS_OF.items()
    for field in fields
    if (name, field) != ("TextsRerankRequest", "model")
]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=map(".".join, FIELDS))
def test_the_document_says_what_the_field_takes(name: str, field: str) -> None:
    for value in variants(BODIES[name].get(field)):
        told = problem(name, field, value)
        if any(words in str(told) for words in SAID_IN_WORDS):
            continue
        assert validator(name, field).is_valid(value) == (told is None), (value, told)


def test_every_field_has_a_value_that_it_takes() -> None:
    """Else the variants would all be refused for another reason."""
    for name, schema in SCHEMAS.items():
        for field, kind in schema().fields.items():
            if isinstance(kind, Neutral) or field == "model":
                continue
            assert field in BODIES[name], (name, field)
            assert problem(name, field, BODIES[name][field]) is None, (name, field)


def test_what_is_required_and_in_which_order() -> None:
    for name, schema in SCHEMAS.items():
        said = DOCUMENT["schemas"][name]
        required = {field for field, kind in schema().fields.items() if kind.required}
        assert set(said["required"]) - {"model"} == required
        assert ("model" in said["required"]) == (name != "TextsRerankRequest")
        first = [field for field in schema.order if field in schema().fields]
        assert [*said["properties"]][: len(first)] == first


@pytest.mark.parametrize(
    "report",
    [
        {"status": "draining"},
        {"status": "ready", "models": {"m": {"ready": True, "tritons": {"ready": 1, "total": 1}}}},
    ],
)
def test_the_answers_of_readyz_are_in_the_document(report: dict[str, Any]) -> None:
    schema = DOCUMENT["schemas"]["Readiness"]
    jsonschema.Draft202012Validator({"components": DOCUMENT, **schema}).validate(report)
