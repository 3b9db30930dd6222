"""https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, post_load

from app.schemas.fields import (
    Anything,
    Flag,
    Items,
    StrictField,
    UnsupportedMessage,
    check_length,
    each,
    mismatch,
    optional,
    shown,
)
from app.schemas.generation import GenerationSchema, common_values, max_tokens_field
from app.schemas.unsupported import CHAT_FIELDS, SAMPLING_FIELDS
from app.types import ChatRequest, Message

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MAY_BE_WITHOUT_CONTENT = ("assistant", "function")
MAX_MESSAGES = 2048
MAX_PARTS = 256


class ChatMessage(StrictField):
    """One message; its text parts are joined into a string, as chat templates expect."""

    def parse(self, value: Any) -> Message:
        if not isinstance(value, dict):
            raise mismatch("an object with role and content", value)
        role = value.get("role")
        if role is None:
            raise _at("role", ValidationError("is required"))
        if role not in ROLES:
            raise _at("role", mismatch("one of " + ", ".join(ROLES), role))
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
        raise _at("content", mismatch("a string or a list of text parts", content))

    def _joined(self, parts: list[Any]) -> str:
        try:
            check_length(parts, 1, MAX_PARTS)
            return "".join(each(parts, _text_part))
        except ValidationError as error:
            raise _at("content", error) from None

    def _extras(self, value: Mapping[str, Any]) -> dict[str, Any]:
        extras: dict[str, Any] = {}
        for name in ("name", "tool_call_id"):
            if value.get(name) is not None:
                if not isinstance(value[name], str):
                    raise _at(name, mismatch("a string", value[name]))
                extras[name] = value[name]
        if value.get("tool_calls"):
            if not isinstance(value["tool_calls"], list):
                raise _at("tool_calls", mismatch("a list", value["tool_calls"]))
            extras["tool_calls"] = value["tool_calls"]
        return extras


def _text_part(part: Any) -> str:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise mismatch('an object with a "type"', part)
    if part["type"] != "text":
        given = shown(part["type"])
        message = UnsupportedMessage(f'is not supported here: use "text"; it was {given}')
        raise _at("type", ValidationError([message]))
    if not isinstance(part.get("text"), str):
        raise _at("text", mismatch("a string", part.get("text")))
    return str(part["text"])


def _at(name: str, error: ValidationError) -> ValidationError:
    messages = error.messages
    return ValidationError({name: messages})


class TemplateKwargs(StrictField):
    """An object of booleans and short strings; which names are allowed is the model's to say."""

    def parse(self, value: Any) -> Mapping[str, bool | str]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        for name, item in value.items():
            if not isinstance(item, bool) and not (isinstance(item, str) and len(item) <= 256):
                raise _at(name, mismatch("a boolean or a string of at most 256 characters", item))
        return value


class Documents(StrictField):
    """Documents for templates that take them: a list of objects."""

    items = Items(Anything(), least=0, most=MAX_PARTS)

    def parse(self, value: Any) -> tuple[Mapping[str, Any], ...]:
        return tuple(each(list(self.items.parse(value)), self._object))

    @staticmethod
    def _object(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        return value


class ChatSchema(
    GenerationSchema.from_dict({**SAMPLING_FIELDS, **CHAT_FIELDS})  # type: ignore[misc]  # made at run time
):
    """Gives a `ChatRequest`."""

    order = (
        "model",
        "messages",
        "top_logprobs",
        "temperature",
        "top_p",
        "modalities",
        "verbosity",
        "reasoning_effort",
        "max_completion_tokens",
        "frequency_penalty",
        "presence_penalty",
        "web_search_options",
        "response_format",
        "audio",
        "stream",
        "stop",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "n",
        "seed",
        "stream_options",
        "tools",
        "tool_choice",
        "function_call",
        "functions",
    )

    messages = Items(ChatMessage(), most=MAX_MESSAGES, required=True)
    max_tokens = max_tokens_field()
    max_completion_tokens = max_tokens_field()
    chat_template_kwargs = optional(TemplateKwargs, default={})
    documents = optional(Documents)
    add_generation_prompt = optional(Flag, default=True)
    continue_final_message = optional(Flag, default=False)

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> ChatRequest:
        """The frozen request; the newer name of the token limit wins."""
        return ChatRequest(
            messages=data["messages"],
            max_tokens=data["max_completion_tokens"] or data["max_tokens"],
            template_kwargs=data["chat_template_kwargs"],
            documents=data["documents"],
            add_generation_prompt=data["add_generation_prompt"],
            continue_final_message=data["continue_final_message"],
            **common_values(data),
        )
