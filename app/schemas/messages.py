"""The messages of a conversation, as chat templates read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from app.schemas.fields import (
    StrictField,
    check_length,
    each,
    mismatch,
    nested,
    unsupported,
    within,
)
from app.types import Message

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MAY_BE_WITHOUT_CONTENT = ("assistant", "function")
MAX_MESSAGES = 2048
MAX_PARTS = 256
STRINGS = ("name", "tool_call_id", "reasoning_content")


class ChatMessage(StrictField):
    """One message; its text parts are joined into a string, as chat templates expect."""

    def parse(self, value: Any) -> Message:
        if not isinstance(value, dict):
            raise mismatch("an object with role and content", value)
        role = value.get("role")
        if role is None:
            raise nested("role", ValidationError("is required"))
        if role not in ROLES:
            raise nested("role", mismatch("one of " + ", ".join(ROLES), role))
        message = {"role": role, "content": self._content(value, role)}
        message.update(self._extras(value))
        return message

    def _content(self, value: Mapping[str, Any], role: str) -> str | None:
        content = value.get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            return self._joined(content)
        if content is None and role in MAY_BE_WITHOUT_CONTENT:
            return None
        raise nested("content", mismatch("a string or a list of text parts", content))

    def _joined(self, parts: list[Any]) -> str:
        with within("content"):
            check_length(parts, 1, MAX_PARTS)
            return "".join(each(parts, _text_part))

    def _extras(self, value: Mapping[str, Any]) -> dict[str, Any]:
        extras: dict[str, Any] = {}
        for name in STRINGS:
            if value.get(name) is not None:
                if not isinstance(value[name], str):
                    raise nested(name, mismatch("a string", value[name]))
                extras[name] = value[name]
        if value.get("tool_calls") not in (None, []):
            extras["tool_calls"] = self._tool_calls(value["tool_calls"])
        return extras

    @staticmethod
    def _tool_calls(calls: Any) -> list[Mapping[str, Any]]:
        with within("tool_calls"):
            if not isinstance(calls, list):
                raise mismatch("a list", calls)
            check_length(calls, 1, MAX_PARTS)
            return each(calls, _tool_call)


def _tool_call(call: Any) -> Mapping[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise mismatch('an object with a "function"', call)
    for name in ("id", "type"):
        if not isinstance(call.get(name), str | None):
            raise nested(name, mismatch("a string", call[name]))
    if not isinstance(function.get("name"), str):
        raise nested("function", nested("name", mismatch("a string", function.get("name"))))
    if not isinstance(function.get("arguments", ""), (str, dict)):
        problem = mismatch("a string of JSON", function["arguments"])
        raise nested("function", nested("arguments", problem))
    # Templates print the arguments without asking whether there are any.
    parsed: Mapping[str, Any] = call
    if "arguments" not in function:
        parsed = {**call, "function": {**function, "arguments": "{}"}}
    return parsed


def _text_part(part: Any) -> str:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise mismatch('an object with a "type"', part)
    if part["type"] != "text":
        raise nested("type", unsupported(("text",), part["type"]))
    if not isinstance(part.get("text"), str):
        raise nested("text", mismatch("a string", part.get("text")))
    return str(part["text"])
