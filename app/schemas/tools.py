"""Functions that a model may call, and which of them it must."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from marshmallow import ValidationError

from app.schemas.fields import (
    Flag,
    Items,
    StrictField,
    mismatch,
    nested,
    shown,
    unsupported,
    within,
)
from app.types import ToolChoice

MAX_TOOLS = 128
MAX_TOOLS_BYTES = 256 * 1024
MAX_TOOL_NAME = 64
NAME = re.compile(rf"[A-Za-z0-9_.\-]{{1,{MAX_TOOL_NAME}}}")
MODES = ("none", "auto", "required")


class Tool(StrictField):
    """`{"type": "function", "function": {…}}`; gives it with what a chat template shows."""

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object with type and function", value)
        check_type(value.get("type"))
        function = value.get("function")
        if not isinstance(function, dict):
            raise nested("function", mismatch("an object", function))
        with within("function"):
            return {"type": "function", "function": parse_function(function)}


def check_type(kind: Any) -> None:
    """Refuse tools that only OpenAI's own servers run."""
    if kind is None:
        raise nested("type", ValidationError("is required"))
    if kind != "function":
        raise nested("type", unsupported(("function",), kind))


def parse_function(function: Mapping[str, Any]) -> dict[str, Any]:
    """Name, description and parameters (a JSON schema) of a function."""
    parsed: dict[str, Any] = {"name": parse_name(function.get("name"))}
    for name, kind, expected in (
        ("description", str, "a string"),
        ("parameters", dict, "an object, the JSON schema of the arguments"),
    ):
        item = function.get(name)
        if item is None:
            continue
        if not isinstance(item, kind):
            raise nested(name, mismatch(expected, item))
        parsed[name] = item
    if function.get("strict") is not None:
        parsed["strict"] = _flag(function["strict"])
    # Chat templates print the schema without asking whether there is one.
    parsed.setdefault("parameters", {"type": "object", "properties": {}})
    return parsed


def _flag(value: Any) -> bool:
    with within("strict"):
        return Flag().parse(value)


def parse_name(name: Any) -> str:
    """A function's name."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    allowed = f"1 to {MAX_TOOL_NAME} letters, digits, dots, dashes and underscores"
    raise nested("name", mismatch(allowed, name))


class Tools(StrictField):
    """Up to 128 functions, each with a name of its own."""

    items = Items(Tool(), least=0, most=MAX_TOOLS)

    def parse(self, value: Any) -> tuple[Mapping[str, Any], ...]:
        tools = self.items.parse(value)
        check_together(tools)
        return tools


def check_together(tools: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two functions of one name, and more than 256 KiB of JSON."""
    size = len(orjson.dumps(tools))
    if size > MAX_TOOLS_BYTES:
        raise ValidationError(f"must have at most {MAX_TOOLS_BYTES} bytes as JSON, but has {size}")
    names = [tool["function"]["name"] for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValidationError({index: [f"has the name {name!r}, as another one has"]})


class ToolChoiceField(StrictField):
    """A mode, or the object that names a function."""

    def parse(self, value: Any) -> ToolChoice:
        if isinstance(value, str) and value in MODES:
            return ToolChoice(value)
        function = value.get("function") if isinstance(value, dict) else None
        if not isinstance(function, dict) or value.get("type") != "function":
            allowed = ", ".join(map(shown, MODES))
            raise mismatch(f'one of {allowed}, or {{"type": "function", "function": …}}', value)
        with within("function"):
            return ToolChoice("function", parse_name(function.get("name")))
