"""https://platform.openai.com/docs/api-reference/responses"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from app.schemas.fields import Anything, Choice, Flag, Integer, Items, Number, Text, optional
from app.schemas.generation import StopStrings, max_tokens_field
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.response_fields import (
    ChosenTools,
    FunctionTools,
    Metadata,
    Reasoning,
    ResponseStreamOptions,
    ResponseToolChoice,
    TextFormat,
)
from app.schemas.response_input import ResponseInput
from app.schemas.unsupported import OF_CHATS, Neutral
from app.types import ChatRequest, Sampling, StructuredOutput, ToolChoice

LOGPROBS = "message.output_text.logprobs"
# What only concerns parts and tools that are refused anyway; reasoning is always given in full.
INCLUDABLE = (
    LOGPROBS,
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
)
MAX_TOP_LOGPROBS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRequest(ChatRequest):
    """`POST /v1/responses`. `echo` are the fields that the answer repeats, as JSON."""

    logprobs_param = "include"
    prompt_param = "input"
    effort_param = "reasoning.effort"

    limit_param: str = "max_output_tokens"
    echo: Mapping[str, Any]


# Nothing is stored here, nothing runs in the background, and no tool runs on this side.
REFUSED = {
    **OF_CHATS,
    "max_tokens": Neutral(),
    "previous_response_id": Neutral(),
    "conversation": Neutral(),
    "prompt": Neutral(),
    "background": Neutral(False),
    "truncation": Neutral("disabled"),
    "max_tool_calls": Neutral(),
    "context_management": Neutral([]),
    "moderation": Neutral(),
}


class ResponsesSchema(RequestSchema.from_dict(REFUSED)):  # type: ignore[misc]  # made at run time
    """Gives a `ResponseRequest`."""

    order = (
        "model",
        "input",
        "metadata",
        "top_logprobs",
        "temperature",
        "top_p",
        "user",
        "previous_response_id",
        "reasoning",
        "background",
        "max_output_tokens",
        "max_tool_calls",
        "text",
        "tools",
        "tool_choice",
        "prompt",
        "truncation",
        "include",
        "parallel_tool_calls",
        "store",
        "instructions",
        "stream",
        "stream_options",
        "conversation",
    )

    model = MODEL_NAME
    input = ResponseInput(required=True)
    instructions = optional(Text)
    max_output_tokens = max_tokens_field()
    temperature = optional(Number, minimum=0, maximum=2)
    top_p = optional(Number, minimum=0, maximum=1)
    top_k = optional(Integer, minimum=-1, maximum=2**31 - 1)
    seed = optional(Integer, minimum=-(2**63), maximum=2**64 - 1)
    stop = optional(StopStrings, default=())
    top_logprobs = optional(Integer, minimum=0, maximum=MAX_TOP_LOGPROBS)
    include = optional(Items, Choice(*INCLUDABLE), least=0, most=len(INCLUDABLE), default=())
    tools = optional(FunctionTools, default=())
    tool_choice = optional(ResponseToolChoice, default=ChosenTools(ToolChoice(), "auto"))
    parallel_tool_calls = optional(Flag, default=True)
    text = optional(TextFormat, default={"type": "text"})
    reasoning = optional(Reasoning, default={"effort": None, "summary": None})
    stream = optional(Flag, default=False)
    stream_options = optional(ResponseStreamOptions)
    metadata = optional(Metadata, default={})
    user = optional(Text)
    safety_identifier = optional(Text)
    prompt_cache_key = optional(Text)
    store = optional(Flag, default=False)
    service_tier = optional(Anything)

    @validates_schema(skip_on_field_errors=True)
    def check_allowed_tools(self, data: Mapping[str, Any], **_: Any) -> None:
        """Allowed functions are among the tools."""
        names = [tool["function"]["name"] for tool in data["tools"]]
        for index, name in enumerate(data["tool_choice"].names or ()):
            if name not in names:
                raise ValidationError(
                    {"tools": {index: [f"names {name!r}, which is not among the tools"]}},
                    "tool_choice",
                )

    @validates_schema(skip_on_field_errors=True)
    def check_stream_options(self, data: Mapping[str, Any], **_: Any) -> None:
        """`stream_options` means nothing without a stream."""
        if data["stream_options"] is not None and not data["stream"]:
            raise ValidationError("is only allowed when stream is true", "stream_options")

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> ResponseRequest:
        """The frozen request; instructions are a system message in front of the input."""
        instructions, allowed = data["instructions"], data["tool_choice"].names
        system = () if instructions is None else ({"role": "system", "content": instructions},)
        return ResponseRequest(
            model=data["model"],
            messages=(*system, *data["input"]),
            sampling=_sampling(data),
            max_tokens=data["max_output_tokens"],
            stop=data["stop"],
            stream=data["stream"],
            tools=tuple(
                tool
                for tool in data["tools"]
                if allowed is None or tool["function"]["name"] in allowed
            ),
            tool_choice=data["tool_choice"].choice,
            has_parallel_tool_calls=data["parallel_tool_calls"],
            reasoning_effort=data["reasoning"]["effort"],
            echo=_echo(data),
        )


def _sampling(data: Mapping[str, Any]) -> Sampling:
    kind, num_logprobs = data["text"]["type"], data["top_logprobs"] or 0
    schema = data["text"].get("schema")
    structure = None if kind == "text" else StructuredOutput(kind, schema, "text.format")
    return Sampling(
        temperature=data["temperature"],
        top_p=data["top_p"],
        top_k=data["top_k"],
        seed=data["seed"],
        logprobs=num_logprobs if num_logprobs or LOGPROBS in data["include"] else None,
        structured_output=structure,
    )


def _echo(data: Mapping[str, Any]) -> Mapping[str, Any]:
    repeated = (
        "instructions",
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "safety_identifier",
        "user",
    )
    return {
        **{name: data[name] for name in repeated},
        "reasoning": data["reasoning"],
        "text": {"format": data["text"], "verbosity": "medium"},
        "tool_choice": data["tool_choice"].echo,
        "tools": [
            {"type": "function", "strict": None, **tool["function"]} for tool in data["tools"]
        ],
        "top_logprobs": data["top_logprobs"] or 0,
    }
