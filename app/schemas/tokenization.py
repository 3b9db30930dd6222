"""https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from app.schemas.chat import TemplateKwargs
from app.schemas.fields import Flag, Items, StrictField, Text, optional
from app.schemas.messages import MAX_MESSAGES, ChatMessage
from app.schemas.prompts import parse_token_ids
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.tools import Tools
from app.schemas.unsupported import Neutral
from app.types import ChatRequest, DetokenizeRequest, TokenizeRequest

# Tokenising so much takes seconds.
MAX_CHARACTERS = 4 * 2**20


class TokenIds(StrictField):
    """A list of token ids, which may be empty; gives a tuple."""

    def parse(self, value: Any) -> tuple[int, ...]:
        return () if value == [] else parse_token_ids(value)


class TokenizeSchema(RequestSchema):
    """Gives a `TokenizeRequest`."""

    order = ("model", "prompt", "messages")

    model = MODEL_NAME
    prompt = optional(Text, longest=MAX_CHARACTERS)
    messages = optional(Items, ChatMessage(), most=MAX_MESSAGES)
    # True for a prompt; a chat template writes its own.
    add_special_tokens = optional(Flag)
    add_generation_prompt = optional(Flag, default=True)
    continue_final_message = optional(Flag, default=False)
    return_token_strs = optional(Flag, default=False)
    tools = optional(Tools, default=())
    chat_template_kwargs = optional(TemplateKwargs, default={})
    chat_template = Neutral()

    @validates_schema(skip_on_field_errors=True)
    def check_input(self, data: Mapping[str, Any], **_: Any) -> None:
        """Exactly one of the two things to tokenise."""
        if (data["prompt"] is None) == (data["messages"] is None):
            raise ValidationError("give either prompt or messages, not both", "prompt")

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> TokenizeRequest:
        """The frozen request."""
        return TokenizeRequest(
            model=data["model"],
            prompt=data["prompt"],
            conversation=_conversation(data),
            add_special_tokens=data["add_special_tokens"],
            has_token_texts=data["return_token_strs"],
        )


def _conversation(data: Mapping[str, Any]) -> ChatRequest | None:
    if data["messages"] is None:
        return None
    return ChatRequest(
        model=data["model"],
        messages=data["messages"],
        add_generation_prompt=data["add_generation_prompt"],
        continue_final_message=data["continue_final_message"],
        tools=data["tools"],
        template_kwargs=data["chat_template_kwargs"],
    )


class DetokenizeSchema(RequestSchema):
    """Gives a `DetokenizeRequest`."""

    order = ("model", "tokens")

    model = MODEL_NAME
    tokens = TokenIds(required=True)

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> DetokenizeRequest:
        """The frozen request."""
        return DetokenizeRequest(model=data["model"], ids=data["tokens"])
