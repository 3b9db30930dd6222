"""The content of Anthropic's messages as the messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
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

Block = Mapping[str, Any]

ROLES = ("user", "assistant", "system")
USER_BLOCKS = ("text", "tool_result")
ASSISTANT_BLOCKS = ("text", "tool_use", "thinking", "redacted_thinking")


class AnthropicMessages(StrictField):
    """Messages as templates read them: each result of a tool is a message of its own."""

    def parse(self, value: Any) -> tuple[Message, ...]:
        if not isinstance(value, list):
            raise mismatch("a list of messages", value)
        check_length(value, 1, MAX_MESSAGES)
        messages = [message for group in each(value, _message) for message in group]
        if "tool_calls" in messages[-1]:
            raise ValidationError(
                {len(value) - 1: ["ends with a tool_use; its tool_result must follow"]}
            )
        return tuple(_merged(messages))


class SystemPrompt(StrictField):
    """A string or text blocks; gives the text."""

    def parse(self, value: Any) -> str:
        return _joined_text(value)


def _message(value: Any) -> list[Message]:
    if not isinstance(value, dict):
        raise mismatch("an object with role and content", value)
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise nested("role", mismatch("one of " + ", ".join(ROLES), role))
    with within("content"):
        if isinstance(content, str):
            return [{"role": role, "content": content}]
        if not isinstance(content, list):
            raise mismatch("a string or a list of blocks", content)
        check_length(content, 1, MAX_PARTS)
        if role == "system":
            return [{"role": role, "content": _joined_text(content)}]
        return _of_user(content) if role == "user" else [_of_assistant(content)]


def _of_user(content: Sequence[Any]) -> list[Message]:
    def parse(block: Any) -> Message:
        if _kind(block, USER_BLOCKS) == "text":
            return {"role": "user", "content": _string(block, "text")}
        content = block.get("content")
        result = "" if content is None else _joined_text(content, "content")
        return {
            "role": "tool",
            "tool_call_id": _string(block, "tool_use_id"),
            "content": result,
        }

    return list(_texts_joined(each(content, parse)))


def _texts_joined(messages: Sequence[Message]) -> Iterator[Message]:
    """Neighbouring texts of one message are one text."""
    texts: list[str] = []
    for message in messages:
        if message["role"] == "user":
            texts.append(message["content"])
            continue
        if texts:
            yield {"role": "user", "content": "".join(texts)}
            texts = []
        yield message
    if texts:
        yield {"role": "user", "content": "".join(texts)}


def _of_assistant(content: Sequence[Any]) -> Message:
    def parse(block: Any) -> Any:
        kind = _kind(block, ASSISTANT_BLOCKS)
        if kind == "tool_use":
            return kind, _call(block)
        # What another server has encrypted tells a model nothing.
        name = {"text": "text", "thinking": "thinking"}.get(kind)
        return kind, "" if name is None else _string(block, name)

    blocks = each(content, parse)
    text = "".join(item for kind, item in blocks if kind == "text")
    thinking = "".join(item for kind, item in blocks if kind == "thinking")
    calls = [item for kind, item in blocks if kind == "tool_use"]
    message: dict[str, Any] = {"role": "assistant", "content": None if calls and not text else text}
    if thinking:
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = calls
    return message


def _call(block: Block) -> Mapping[str, Any]:
    given = block.get("input")
    if not isinstance(given, dict):
        raise nested("input", mismatch("an object", given))
    function = {"name": parse_name(block.get("name")), "arguments": orjson.dumps(given).decode()}
    return {"id": _string(block, "id"), "type": "function", "function": function}


def _merged(messages: Sequence[Message]) -> Iterator[Message]:
    """Messages of the user that follow each other are one turn, in paragraphs."""
    last: Message | None = None
    for message in messages:
        if last is not None and last["role"] == message["role"] == "user":
            last = {"role": "user", "content": f"{last['content']}\n\n{message['content']}"}
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last


def _joined_text(value: Any, name: str | None = None) -> str:
    if isinstance(value, str):
        return value
    try:
        if not isinstance(value, list):
            raise mismatch("a string or a list of text blocks", value)
        check_length(value, 0, MAX_PARTS)
        return "".join(each(value, _text))
    except ValidationError as error:
        raise error if name is None else nested(name, error) from None


def _text(block: Any) -> str:
    _kind(block, ("text",))
    return _string(block, "text")


def _kind(block: Any, allowed: Sequence[str]) -> str:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise mismatch('an object with a "type"', block)
    kind: str = block["type"]
    if kind not in allowed:
        raise nested("type", unsupported(allowed, kind))
    return kind


def _string(block: Block, name: str) -> str:
    if not isinstance(block.get(name), str):
        raise nested(name, mismatch("a string", block.get(name)))
    return str(block[name])
