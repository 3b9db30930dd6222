"""The fields of `POST /v1/responses` that are objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from app.schemas.chat import EFFORTS
from app.schemas.fields import (
    Choice,
    Flag,
    Items,
    StrictField,
    UnsupportedMessage,
    mismatch,
    nested,
    shown,
    within,
)
from app.schemas.structures import parse_schema
from app.schemas.tools import (
    MAX_TOOLS,
    MODES,
    check_together,
    check_type,
    parse_function,
    parse_name,
)
from app.types import ToolChoice

MAX_METADATA = 16
# The only values of fields that would change what the answer tells.
VERBOSITY = ("medium",)
SUMMARY = ("auto",)


class FunctionTool(StrictField):
    """`{"type": "function", "name": …}`; gives it with what a chat template shows."""

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object with type and name", value)
        check_type(value.get("type"))
        return {"type": "function", "function": parse_function(value)}


class FunctionTools(StrictField):
    """Up to 128 functions, each with a name of its own."""

    items = Items(FunctionTool(), least=0, most=MAX_TOOLS)

    def parse(self, value: Any) -> tuple[Mapping[str, Any], ...]:
        tools = self.items.parse(value)
        check_together(tools)
        return tools


@dataclass(frozen=True, slots=True)
class ChosenTools:
    """A choice, among `names` only if they are given; and as the answer repeats it."""

    choice: ToolChoice
    echo: Any
    names: tuple[str, ...] | None = None


class ResponseToolChoice(StrictField):
    """A mode, the object that names a function, or the one that lists allowed functions."""

    def parse(self, value: Any) -> ChosenTools:
        if isinstance(value, str) and value in MODES:
            return ChosenTools(ToolChoice(value), value)
        kind = value.get("type") if isinstance(value, dict) else None
        if kind == "function":
            name = parse_name(value.get("name"))
            return ChosenTools(ToolChoice("function", name), {"type": "function", "name": name})
        if kind == "allowed_tools":
            return self._allowed(value)
        modes = ", ".join(map(shown, MODES))
        raise mismatch(f'one of {modes}, or an object of type "function" or "allowed_tools"', value)

    @staticmethod
    def _allowed(value: Mapping[str, Any]) -> ChosenTools:
        with within("mode"):
            mode = Choice("auto", "required").parse(value.get("mode"))
        with within("tools"):
            tools = Items(_AllowedTool(), most=MAX_TOOLS).parse(value.get("tools"))
        echo = {"type": "allowed_tools", "mode": mode, "tools": [*tools]}
        return ChosenTools(ToolChoice(mode), echo, tuple(tool["name"] for tool in tools))


class _AllowedTool(StrictField):
    def parse(self, value: Any) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise mismatch("an object with type and name", value)
        check_type(value.get("type"))
        return {"type": "function", "name": parse_name(value.get("name"))}


class TextFormat(StrictField):
    """`{"format": {"type": …}}`; gives the format's object."""

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        if value.get("verbosity") not in (None, *VERBOSITY):
            raise nested("verbosity", _unsupported(VERBOSITY, value["verbosity"]))
        given = value.get("format")
        given = {"type": "text"} if given is None else given
        kind = given.get("type") if isinstance(given, dict) else None
        if kind in ("text", "json_object"):
            return {"type": kind}
        if kind != "json_schema":
            expected = 'an object whose type is "text", "json_object" or "json_schema"'
            raise nested("format", mismatch(expected, given))
        with within("format"), within("schema"):
            schema = parse_schema(given.get("schema"))
        name = given.get("name") if isinstance(given.get("name"), str) else "schema"
        return {"type": kind, "name": name, "schema": schema}


class Reasoning(StrictField):
    """`effort`, and `summary`, which may only be auto: all of the reasoning is given anyway."""

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        if value.get("summary") not in (None, *SUMMARY):
            raise nested("summary", _unsupported(SUMMARY, value["summary"]))
        effort = value.get("effort")
        with within("effort"):
            effort = None if effort is None else Choice(*EFFORTS).parse(effort)
        return {"effort": effort, "summary": value.get("summary")}


class Metadata(StrictField):
    """Up to 16 strings with names."""

    def parse(self, value: Any) -> Mapping[str, str]:
        if not isinstance(value, dict) or len(value) > MAX_METADATA:
            raise mismatch(f"an object of at most {MAX_METADATA} strings", value)
        for name, item in value.items():
            if not isinstance(item, str):
                raise nested(name, mismatch("a string", item))
        return value


class ResponseStreamOptions(StrictField):
    """`include_obfuscation`, which would pad the events, may only be false."""

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        given = value.get("include_obfuscation")
        with within("include_obfuscation"):
            if given is not None and Flag().parse(given):
                raise _unsupported((False,), given)
        return value


def _unsupported(allowed: Sequence[Any], given: Any) -> ValidationError:
    choices = " or ".join(map(shown, allowed))
    text = f"is not supported here: use {choices}, or leave it out; it was {shown(given)}"
    return ValidationError([UnsupportedMessage(text)])
