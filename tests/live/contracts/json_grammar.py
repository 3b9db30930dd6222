"""JSON, and JSON schemas, as grammars.

What a schema leaves open has an end here, so that a small language model reaches it: a string
without maxLength has at most 12 characters, a number 6 digits, an array or a free object 3 entries,
and free JSON is nested 2 deep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.live.contracts.grammar import (
    Bytes,
    Chain,
    Either,
    Node,
    Repeat,
    Rule,
    between,
    either,
    literal,
)
from tests.live.contracts.regex_grammar import regex_grammar

MAX_STRING = 12
MAX_ENTRIES = 3
MAX_DEPTH = 2

CONTINUED = between(0x80, 0xBF)
BEYOND_ASCII = Either(
    (
        Chain((between(0xC2, 0xDF), CONTINUED)),
        Chain((between(0xE0, 0xE0), between(0xA0, 0xBF), CONTINUED)),
        Chain((between(0xE1, 0xEC), CONTINUED, CONTINUED)),
        Chain((between(0xEE, 0xEF), CONTINUED, CONTINUED)),
        Chain((between(0xF1, 0xF3), CONTINUED, CONTINUED, CONTINUED)),
    )
)
"""Most characters of more than one byte."""

CHARACTER = Either(
    (
        Bytes(frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')),
        either('\\"', "\\\\", "\\n", "\\t"),
        BEYOND_ASCII,
    )
)
DIGIT = between(ord("0"), ord("9"))
SPACE = Repeat(literal(" "), 0, 1)
COMMA, COLON = Chain((literal(","), SPACE)), Chain((literal(":"), SPACE))
INTEGER = Chain(
    (
        Repeat(literal("-"), 0, 1),
        Either((literal("0"), Chain((between(ord("1"), ord("9")), Repeat(DIGIT, 0, 5))))),
    )
)
NUMBER = Chain((INTEGER, Repeat(Chain((literal("."), Repeat(DIGIT, 1, 5))), 0, 1)))
BOOLEAN, NULL = either("true", "false"), literal("null")


def string(least: int = 0, most: int = MAX_STRING) -> Node:
    """A string of `least` to `most` characters."""
    return Chain((literal('"'), Repeat(CHARACTER, least, most), literal('"')))


def any_value(depth: int = MAX_DEPTH) -> Node:
    """Any JSON value, objects and arrays `depth` deep."""
    plain = (string(), NUMBER, BOOLEAN, NULL)
    if depth == 0:
        return Either(plain)
    nested = (Rule(lambda: any_object(depth)), Rule(lambda: _array(any_value(depth - 1))))
    return Either((*plain, *nested))


def any_object(depth: int = MAX_DEPTH) -> Node:
    """A JSON object."""
    member = Chain((string(1), COLON, any_value(depth - 1)))
    return Chain((literal("{"), _listed(member, 0, MAX_ENTRIES), literal("}")))


def schema_grammar(schema: Mapping[str, Any] | bool) -> Node:
    """The texts that a JSON schema allows, with its members in the schema's order.

    Raises:
        ValueError: for a keyword that this reading does not know.
    """
    definitions = schema if isinstance(schema, Mapping) else {}
    return _Reader(definitions).node(schema)


class _Reader:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def node(self, schema: Any) -> Node:
        """One schema, where its keywords say what it is; else by its type."""
        if schema is True or not schema:
            return any_value()
        if "$ref" in schema:
            return Rule(lambda: self.node(self._referred(schema["$ref"])))
        if "const" in schema:
            return literal(_dumped(schema["const"]))
        if "enum" in schema:
            return either(*map(_dumped, schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return Either(tuple(self.node(each) for each in schema[key]))
        return self._typed(schema)

    def _typed(self, schema: Mapping[str, Any]) -> Node:
        kind = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kind, list):
            return Either(tuple(self.node({**schema, "type": each}) for each in kind))
        plain = {"integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN, "null": NULL}
        if kind in plain:
            return plain[kind]
        if kind is None:
            return any_value()
        readers = {"string": self._string, "array": self._array, "object": self._object}
        if kind not in readers:
            raise ValueError(f"the schema's type {kind!r} is not known")
        return readers[kind](schema)

    def _string(self, schema: Mapping[str, Any]) -> Node:
        if "pattern" in schema:
            return Chain((literal('"'), regex_grammar(schema["pattern"]), literal('"')))
        least = schema.get("minLength", 0)
        return string(least, schema.get("maxLength", max(least, MAX_STRING)))

    def _array(self, schema: Mapping[str, Any]) -> Node:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, MAX_ENTRIES))
        return _array(Rule(lambda: self.node(schema.get("items", True))), least, most)

    def _object(self, schema: Mapping[str, Any]) -> Node:
        properties = schema.get("properties")
        if not properties:
            return any_object()
        required = set(schema.get("required", ()))
        members = [
            (self._member(name, each), name in required) for name, each in properties.items()
        ]
        return Chain((literal("{"), _members(members, is_first=True), literal("}")))

    def _member(self, name: str, schema: Any) -> Node:
        return Chain((literal(_dumped(name)), COLON, Rule(lambda: self.node(schema))))

    def _referred(self, reference: str) -> Any:
        schema: Any = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            schema = schema[part]
        return schema


def _members(members: list[tuple[Node, bool]], *, is_first: bool) -> Node:
    """The members in order; one that is not required may be left out."""
    if not members:
        return Chain(())
    (member, is_required), *others = members
    comma = () if is_first else (COMMA,)
    taken = Chain((*comma, member, Rule(lambda: _members(others, is_first=False))))
    if is_required:
        return taken
    return Either((taken, Rule(lambda: _members(others, is_first=is_first))))


def _array(item: Node, least: int = 0, most: int = MAX_ENTRIES) -> Node:
    return Chain((literal("["), _listed(item, least, most), literal("]")))


def _listed(item: Node, least: int, most: int) -> Node:
    """`least` to `most` of the node, with commas between."""
    if most == 0:
        return Chain(())
    some = Chain((item, Repeat(Chain((COMMA, item)), max(least - 1, 0), most - 1)))
    return some if least else Either((Chain(()), some))


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
