"""https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from app.schemas.fields import (
    BOOLEANS,
    Anything,
    Choice,
    Flag,
    Integer,
    Items,
    StrictField,
    each,
    mismatch,
    nested,
    optional,
)
from app.schemas.generation import GenerationSchema, common_values, limit_of, max_tokens_field
from app.schemas.messages import MAX_MESSAGES, MAX_PARTS, ChatMessage
from app.schemas.tools import ToolChoiceField, Tools
from app.schemas.unsupported import CHAT_FIELDS, SAMPLING_FIELDS
from app.types import ChatRequest, ToolChoice

MAX_TOP_LOGPROBS = 20
MAX_KWARG_LENGTH = 256
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


class TemplateKwargs(StrictField):
    """An object of booleans and short strings; which names are allowed is the model's to say."""

    def parse(self, value: Any) -> Mapping[str, bool | str]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        for name, item in value.items():
            is_text = isinstance(item, str) and len(item) <= MAX_KWARG_LENGTH
            if not isinstance(item, bool) and not is_text:
                allowed = f"a boolean or a string of at most {MAX_KWARG_LENGTH} characters"
                raise nested(name, mismatch(allowed, item))
        # To a template the text "false" would be true.
        return {name: _as_flag(item) for name, item in value.items()}


def _as_flag(value: bool | str) -> bool | str:
    return BOOLEANS.get(value, value) if isinstance(value, str) else value


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
    logprobs = optional(Flag, default=False)
    top_logprobs = optional(Integer, minimum=0, maximum=MAX_TOP_LOGPROBS)
    tools = optional(Tools, default=())
    tool_choice = optional(ToolChoiceField, default=ToolChoice())
    parallel_tool_calls = optional(Flag, default=True)
    include_reasoning = optional(Flag, default=True)
    reasoning_effort = optional(Choice, *EFFORTS)
    chat_template_kwargs = optional(TemplateKwargs, default={})
    documents = optional(Documents)
    add_generation_prompt = optional(Flag, default=True)
    continue_final_message = optional(Flag, default=False)

    @validates_schema(skip_on_field_errors=True)
    def check_top_logprobs(self, data: Mapping[str, Any], **_: Any) -> None:
        """Alternatives come beside the tokens that were chosen."""
        if data["top_logprobs"] and not data["logprobs"]:
            raise ValidationError("is only allowed when logprobs is true", "top_logprobs")

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> ChatRequest:
        """The frozen request."""
        limit_param, max_tokens = limit_of(data)
        return ChatRequest(
            messages=data["messages"],
            max_tokens=max_tokens,
            limit_param=limit_param,
            template_kwargs=data["chat_template_kwargs"],
            documents=data["documents"],
            add_generation_prompt=data["add_generation_prompt"],
            continue_final_message=data["continue_final_message"],
            tools=data["tools"],
            tool_choice=data["tool_choice"],
            has_parallel_tool_calls=data["parallel_tool_calls"],
            has_reasoning=data["include_reasoning"],
            reasoning_effort=data["reasoning_effort"],
            **common_values(data, (data["top_logprobs"] or 0) if data["logprobs"] else None),
        )
