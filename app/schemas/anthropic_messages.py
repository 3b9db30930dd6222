"""https://docs.claude.com/en/api/messages"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import post_load

from app.schemas.anthropic_content import AnthropicMessages, SystemPrompt
from app.schemas.fields import (
    Anything,
    Choice,
    Flag,
    Integer,
    Items,
    Number,
    StrictField,
    mismatch,
    nested,
    optional,
    unsupported,
    within,
)
from app.schemas.generation import MAX_STOP_STRINGS, MAX_TOKENS, STOP_STRING
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.structures import parse_schema
from app.schemas.tools import MAX_TOOLS, check_together, parse_function, parse_name
from app.schemas.unsupported import OF_CHATS, Neutral
from app.types import ChatRequest, Sampling, StructuredOutput, ToolChoice

# Anthropic's modes, in the words of the pipeline.
MODES = {"auto": "auto", "any": "required", "tool": "function", "none": "none"}
THINKING = ("enabled", "adaptive", "disabled")
DISPLAYS = ("summarized", "omitted")
EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRequest(ChatRequest):
    """`POST /v1/messages`. `thinking` is one of THINKING, None for the model's own way."""

    effort_param = "output_config.effort"

    thinking: str | None = None


class AnthropicTool(StrictField):
    """A name with an `input_schema`; gives it with what a chat template shows."""

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object with name and input_schema", value)
        if value.get("type") not in (None, "custom"):
            raise nested("type", unsupported(("custom",), value["type"]))
        schema = value.get("input_schema")
        if not isinstance(schema, dict):
            raise nested(
                "input_schema", mismatch("an object, the JSON schema of the input", schema)
            )
        function = {"name": value.get("name"), "description": value.get("description")}
        return {"type": "function", "function": parse_function({**function, "parameters": schema})}


class AnthropicTools(StrictField):
    """Up to 128 tools, each with a name of its own."""

    items = Items(AnthropicTool(), least=0, most=MAX_TOOLS)

    def parse(self, value: Any) -> tuple[Mapping[str, Any], ...]:
        tools = self.items.parse(value)
        check_together(tools)
        return tools


class AnthropicToolChoice(StrictField):
    """Gives the choice, and whether several calls are allowed."""

    def parse(self, value: Any) -> tuple[ToolChoice, bool]:
        if not isinstance(value, dict):
            raise mismatch("an object with a type", value)
        with within("type"):
            kind = Choice(*MODES).parse(value.get("type"))
        with within("disable_parallel_tool_use"):
            is_single = Flag().parse(_given(value, "disable_parallel_tool_use", False))
        name = parse_name(value.get("name")) if kind == "tool" else None
        return ToolChoice(MODES[kind], name), not is_single


class Thinking(StrictField):
    """Gives the type, and whether the answer shows what was thought."""

    def parse(self, value: Any) -> tuple[str, bool]:
        if not isinstance(value, dict):
            raise mismatch("an object with a type", value)
        with within("type"):
            kind = Choice(*THINKING).parse(value.get("type"))
        with within("display"):
            display = Choice(*DISPLAYS).parse(_given(value, "display", DISPLAYS[0]))
        return kind, kind != "disabled" and display != "omitted"


def _given(value: Mapping[str, Any], name: str, default: Any) -> Any:
    """The object's own value, or the default where it is absent or null."""
    given = value.get(name)
    return default if given is None else given


class OutputConfig(StrictField):
    """Gives what the text must be, by `format`, and the `effort`; both may be None."""

    def parse(self, value: Any) -> tuple[StructuredOutput | None, str | None]:
        if not isinstance(value, dict):
            raise mismatch("an object", value)
        effort = value.get("effort")
        with within("effort"):
            effort = None if effort is None else Choice(*EFFORTS).parse(effort)
        return self._structure(value.get("format")), effort

    @staticmethod
    def _structure(wanted: Any) -> StructuredOutput | None:
        if wanted is None:
            return None
        schema = wanted.get("schema") if isinstance(wanted, dict) else None
        if not isinstance(schema, dict) or wanted.get("type") != "json_schema":
            raise nested("format", mismatch('{"type": "json_schema", "schema": {…}}', wanted))
        with within("format"), within("schema"):
            parse_schema(schema)
        return StructuredOutput("json_schema", schema, "output_config.format")


# Tools that run on Anthropic's side, and their state.
REFUSED = {"container": Neutral(), "mcp_servers": Neutral([]), "speed": Neutral("standard")}


class CountTokensSchema(RequestSchema.from_dict(REFUSED)):  # type: ignore[misc]  # made at run time
    """What has tokens. Gives a `MessagesRequest`."""

    order = ("model", "messages", "max_tokens", "container", "mcp_servers")

    model = MODEL_NAME
    messages = AnthropicMessages(required=True)
    system = optional(SystemPrompt)
    tools = optional(AnthropicTools, default=())
    tool_choice = optional(AnthropicToolChoice, default=(ToolChoice(), True))
    thinking = optional(Thinking, default=(None, False))
    output_config = optional(OutputConfig, default=(None, None))

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> MessagesRequest:
        """The frozen request; the answer goes on with a last message of the assistant."""
        messages, system = data["messages"], data["system"]
        first = () if not system else ({"role": "system", "content": system},)
        (choice, has_parallel_calls), (thinking, has_reasoning) = (
            data["tool_choice"],
            data["thinking"],
        )
        return MessagesRequest(
            model=data["model"],
            messages=(*first, *messages),
            continue_final_message=messages[-1]["role"] == "assistant",
            tools=data["tools"],
            tool_choice=choice,
            has_parallel_tool_calls=has_parallel_calls,
            thinking=thinking,
            reasoning_effort=data["output_config"][1],
            has_reasoning=has_reasoning,
            **self.generation_values(data),
        )

    def generation_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What only an answer needs."""
        return {}


# What Anthropic's API calls otherwise or does not have.
NOT_HERE = {**OF_CHATS, "stop": Neutral([]), "seed": Neutral()}


class AnthropicMessagesSchema(CountTokensSchema.from_dict(NOT_HERE)):  # type: ignore[misc]  # made at run time
    """Gives a `MessagesRequest`."""

    max_tokens = Integer(minimum=1, maximum=MAX_TOKENS, required=True)
    stop_sequences = optional(Items, STOP_STRING, least=0, most=MAX_STOP_STRINGS, default=())
    stream = optional(Flag, default=False)
    temperature = optional(Number, minimum=0, maximum=1)
    top_p = optional(Number, minimum=0, maximum=1)
    top_k = optional(Integer, minimum=0, maximum=2**31 - 1)
    metadata = optional(Anything)
    service_tier = optional(Anything)

    def generation_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Length, sampling, stop sequences."""
        sampling = Sampling(
            temperature=data["temperature"],
            top_p=data["top_p"],
            top_k=data["top_k"],
            structured_output=data["output_config"][0],
        )
        return {
            "sampling": sampling,
            "max_tokens": data["max_tokens"],
            "stop": data["stop_sequences"],
            "stream": data["stream"],
        }
