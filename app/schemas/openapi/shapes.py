"""Parts of JSON Schema 2020-12, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JsonSchema = dict[str, Any]

OBJECT: JsonSchema = {"type": "object"}
STRING: JsonSchema = {"type": "string"}
INTEGER: JsonSchema = {"type": "integer"}
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
NUMBER: JsonSchema = {"type": "number"}
BOOLEAN: JsonSchema = {"type": "boolean"}
NULL: JsonSchema = {"type": "null"}


def ref(name: str) -> JsonSchema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def union(*schemas: JsonSchema) -> JsonSchema:
    """What any of them takes."""
    return {"anyOf": list(schemas)}


def one_of(*values: Any) -> JsonSchema:
    """One of these values."""
    return {"enum": list(values)}


def nullable(schema: JsonSchema) -> JsonSchema:
    """What the schema takes, and null."""
    if not schema:
        return {}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    if "type" not in schema and "enum" not in schema:
        return union(schema, NULL)
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    kinds = {"type": [schema["type"], "null"]} if "type" in schema else {}
    return {**schema, **kinds, **values}


def object_of(properties: Mapping[str, JsonSchema], *required: str) -> JsonSchema:
    """An object; properties that are not named here may be in it too."""
    needed = {"required": list(required)} if required else {}
    return {**OBJECT, "properties": dict(properties), **needed}


def record(properties: Mapping[str, Any], *optional: str) -> JsonSchema:
    """An object that has all of these properties, but for those that may be absent.

    A property that is no schema is the only value that it has.
    """
    schemas = {
        name: item if isinstance(item, dict) else {"const": item}
        for name, item in properties.items()
    }
    return object_of(schemas, *(name for name in schemas if name not in optional))


def tagged(kind: str, **properties: JsonSchema) -> JsonSchema:
    """An object whose `type` is `kind`, with these properties, all of them required."""
    return record({"type": kind, **properties})


def array(item: JsonSchema) -> JsonSchema:
    """A list of any length."""
    return {"type": "array", "items": item}


def list_of(item: JsonSchema, least: int, most: int) -> JsonSchema:
    """A list of so many items."""
    bounds = {"minItems": least} if least else {}
    return {**array(item), **bounds, "maxItems": most}
