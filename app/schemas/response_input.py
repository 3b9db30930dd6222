"""The input of `POST /v1/responses` as the messages of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from app.schemas.messages import MAX_MESSAGES, MAX_PARTS
from app.schemas.tools import parse_name
from app.types import Message

ROLES = ("user", "system", "developer", "assistant")
PARTS = ("input_text", "output_text")


class ResponseInput(StrictField):
    """A string, or a list of items; gives messages.

    What an assistant thought, said and called is one message, as chat templates expect.
    """

    def parse(self, value: Any) -> tuple[Message, ...]:
        if isinstance(value, str):
            return ({"role": "user", "content": value},)
        if not isinstance(value, list):
            raise mismatch("a string or a list of items", value)
        check_length(value, 1, MAX_MESSAGES)
        messages = tuple(_joined(each(value, _item)))
        if not messages:
            raise ValidationError("must hold a message, a call or the output of one")
        return messages


def _item(item: Any) -> Message:
    """A message, or what an assistant's message gains: reasoning, or a call."""
    if not isinstance(item, dict):
        raise mismatch("an object with a type, or with role and content", item)
    kind = item.get("type", "message")
    parse = ITEMS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise nested("type", unsupported(ITEMS, kind))
    return parse(item)


def _message(item: Mapping[str, Any]) -> Message:
    role = item.get("role")
    if role not in ROLES:
        raise nested("role", mismatch("one of " + ", ".join(ROLES), role))
    return {"role": role, "content": _text(item, "content")}


def _call(item: Mapping[str, Any]) -> Message:
    function = {"name": parse_name(item.get("name")), "arguments": _string(item, "arguments")}
    call = {"id": _string(item, "call_id"), "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _call_output(item: Mapping[str, Any]) -> Message:
    call_id, output = _string(item, "call_id"), _text(item, "output")
    return {"role": "tool", "tool_call_id": call_id, "content": output}


def _reasoning(item: Mapping[str, Any]) -> Message:
    """Its text; a summary, or what another server has encrypted, tells a model nothing."""
    parts = item.get("content")
    parts = [] if parts is None else parts
    if not isinstance(parts, list):
        raise nested("content", mismatch("a list of parts", parts))
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    text = "".join(text for text in texts if isinstance(text, str))
    return {"role": "assistant", "content": None, "reasoning_content": text}


ITEMS: Mapping[str, Callable[[Mapping[str, Any]], Message]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _call_output,
    "reasoning": _reasoning,
}


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if isinstance(value, str):
        return value
    with within(name):
        if not isinstance(value, list):
            raise mismatch("a string or a list of text parts", value)
        check_length(value, 0, MAX_PARTS)
        return "".join(each(value, _part))


def _part(part: Any) -> str:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise mismatch('an object with a "type"', part)
    if part["type"] == "refusal":
        return _string(part, "refusal")
    if part["type"] not in PARTS:
        raise nested("type", unsupported(PARTS, part["type"]))
    return _string(part, "text")


def _string(value: Mapping[str, Any], name: str) -> str:
    if not isinstance(value.get(name), str):
        raise nested(name, mismatch("a string", value.get(name)))
    return str(value[name])


def _joined(messages: Sequence[Message]) -> list[Message]:
    joined: list[Message] = []
    for message in messages:
        if joined and _belong_together(joined[-1], message):
            joined[-1] = _both(joined[-1], message)
        else:
            joined.append(message)
    return [message for message in joined if not _is_empty(message)]


def _belong_together(one: Message, other: Message) -> bool:
    """Reasoning comes first, then text, then calls."""
    if one["role"] != "assistant" or other["role"] != "assistant":
        return False
    if "reasoning_content" in other:
        return one.keys() <= {"role", "content", "reasoning_content"} and one["content"] is None
    return "tool_calls" in other or (one["content"] is None and "tool_calls" not in one)


def _both(one: Message, other: Message) -> Message:
    both = {**one, "content": one["content"] if other["content"] is None else other["content"]}
    for name in ("tool_calls", "reasoning_content"):
        if name in other:
            both[name] = other[name] if name not in one else one[name] + other[name]
    return both


def _is_empty(message: Message) -> bool:
    return message["content"] is None and "tool_calls" not in message
