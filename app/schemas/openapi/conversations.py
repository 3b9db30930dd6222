"""What the fields of conversations take, as JSON Schema: messages, tools, items, blocks.

Importing it makes them known to `json_schema`.
"""

from __future__ import annotations

from typing import Any

from app.schemas import anthropic_content, anthropic_messages, messages, response_input, tools
from app.schemas.chat import EFFORTS
from app.schemas.fields import Choice, Flag
from app.schemas.messages import MAX_MESSAGES, MAX_PARTS
from app.schemas.openapi.fields import json_schema
from app.schemas.openapi.shapes import (
    OBJECT,
    STRING,
    JsonSchema,
    array,
    list_of,
    nullable,
    object_of,
    one_of,
    ref,
    tagged,
    union,
)
from app.schemas.response_fields import (
    MAX_METADATA,
    SUMMARY,
    VERBOSITY,
    FunctionTool,
    FunctionTools,
    Metadata,
    Reasoning,
    ResponseStreamOptions,
    ResponseToolChoice,
    TextFormat,
)

MAYBE_STRING = nullable(STRING)
FLAG = nullable(json_schema(Flag()))
NAME: JsonSchema = {**STRING, "pattern": f"^{tools.NAME.pattern}$"}
TEXT_PART = tagged("text", text=STRING)
FUNCTION: dict[str, JsonSchema] = {
    "name": NAME,
    "description": MAYBE_STRING,
    "parameters": nullable(OBJECT),
    "strict": FLAG,
}


# ---- chat


@json_schema.register
def _(field: messages.ChatMessage) -> JsonSchema:
    return ref("ChatMessage")


@json_schema.register
def _(field: tools.Tool) -> JsonSchema:
    return ref("Tool")


@json_schema.register
def _(field: tools.Tools) -> JsonSchema:
    return json_schema(field.items)


@json_schema.register
def _(field: tools.ToolChoiceField) -> JsonSchema:
    named = tagged("function", function=object_of({"name": NAME}, "name"))
    return union(json_schema(Choice(*tools.MODES)), named)


def _chat_message() -> JsonSchema:
    content = union(STRING, list_of(TEXT_PART, 1, MAX_PARTS))
    strings = dict.fromkeys(messages.STRINGS, MAYBE_STRING)
    calls = nullable(list_of(_tool_call(), 0, MAX_PARTS))
    empty_roles = list(messages.MAY_BE_WITHOUT_CONTENT)
    full_roles = [role for role in messages.ROLES if role not in empty_roles]
    properties = {"content": nullable(content), **strings, "tool_calls": calls}
    return union(
        object_of(
            {"role": one_of(*full_roles), **properties, "content": content}, "role", "content"
        ),
        object_of({"role": one_of(*empty_roles), **properties}, "role"),
    )


def _tool_call() -> JsonSchema:
    function = object_of({"name": STRING, "arguments": union(STRING, OBJECT)}, "name")
    return object_of({"id": MAYBE_STRING, "type": MAYBE_STRING, "function": function}, "function")


# ---- responses


@json_schema.register
def _(field: FunctionTool) -> JsonSchema:
    return ref("ResponseTool")


@json_schema.register
def _(field: FunctionTools) -> JsonSchema:
    return json_schema(field.items)


@json_schema.register
def _(field: ResponseToolChoice) -> JsonSchema:
    named = tagged("function", name=NAME)
    allowed = tagged(
        "allowed_tools",
        mode=json_schema(Choice("auto", "required")),
        tools=list_of(named, 1, tools.MAX_TOOLS),
    )
    return union(json_schema(Choice(*tools.MODES)), named, allowed)


@json_schema.register
def _(field: TextFormat) -> JsonSchema:
    named = object_of({"type": {"const": "json_schema"}, "schema": OBJECT}, "type", "schema")
    formats = union(tagged("text"), tagged("json_object"), named)
    return object_of({"format": nullable(formats), "verbosity": one_of(*VERBOSITY, None)})


@json_schema.register
def _(field: Reasoning) -> JsonSchema:
    effort = nullable(json_schema(Choice(*EFFORTS)))
    return object_of({"effort": effort, "summary": one_of(*SUMMARY, None)})


@json_schema.register
def _(field: Metadata) -> JsonSchema:
    return {**OBJECT, "additionalProperties": STRING, "maxProperties": MAX_METADATA}


@json_schema.register
def _(field: ResponseStreamOptions) -> JsonSchema:
    return object_of({"include_obfuscation": one_of(False, "false", None)})


@json_schema.register
def _(field: response_input.ResponseInput) -> JsonSchema:
    return union(STRING, list_of(ref("ResponseItem"), 1, MAX_MESSAGES))


def _response_item() -> JsonSchema:
    parts = union(
        object_of({"type": one_of(*response_input.PARTS), "text": STRING}, "type", "text"),
        tagged("refusal", refusal=STRING),
    )
    text = union(STRING, list_of(parts, 0, MAX_PARTS))
    role = one_of(*response_input.ROLES)
    return union(
        object_of({"type": {"const": "message"}, "role": role, "content": text}, "role", "content"),
        tagged("function_call", call_id=STRING, name=NAME, arguments=STRING),
        tagged("function_call_output", call_id=STRING, output=text),
        object_of(
            {"type": {"const": "reasoning"}, "content": nullable(array({}))},
            "type",
        ),
    )


# ---- Anthropic


@json_schema.register
def _(field: anthropic_content.AnthropicMessages) -> JsonSchema:
    return list_of(ref("AnthropicMessage"), 1, MAX_MESSAGES)


@json_schema.register
def _(field: anthropic_content.SystemPrompt) -> JsonSchema:
    return TEXTS


@json_schema.register
def _(field: anthropic_messages.AnthropicTool) -> JsonSchema:
    return ref("AnthropicTool")


@json_schema.register
def _(field: anthropic_messages.AnthropicTools) -> JsonSchema:
    return json_schema(field.items)


@json_schema.register
def _(field: anthropic_messages.AnthropicToolChoice) -> JsonSchema:
    others = [mode for mode in anthropic_messages.MODES if mode != "tool"]
    flag = {"disable_parallel_tool_use": FLAG}
    return union(
        object_of({"type": one_of(*others), **flag}, "type"),
        object_of({"type": {"const": "tool"}, "name": NAME, **flag}, "type", "name"),
    )


@json_schema.register
def _(field: anthropic_messages.Thinking) -> JsonSchema:
    kinds, displays = anthropic_messages.THINKING, anthropic_messages.DISPLAYS
    display = nullable(json_schema(Choice(*displays)))
    return object_of({"type": json_schema(Choice(*kinds)), "display": display}, "type")


@json_schema.register
def _(field: anthropic_messages.OutputConfig) -> JsonSchema:
    effort = nullable(json_schema(Choice(*anthropic_messages.EFFORTS)))
    wanted = nullable(tagged("json_schema", schema=OBJECT))
    return object_of({"effort": effort, "format": wanted})


TEXTS = union(STRING, list_of(TEXT_PART, 0, MAX_PARTS))


def _anthropic_message() -> JsonSchema:
    result = object_of(
        {"type": {"const": "tool_result"}, "tool_use_id": STRING, "content": nullable(TEXTS)},
        "type",
        "tool_use_id",
    )
    blocks = {
        "user": union(TEXT_PART, result),
        "assistant": union(
            TEXT_PART,
            tagged("tool_use", id=STRING, name=NAME, input=OBJECT),
            tagged("thinking", thinking=STRING),
            tagged("redacted_thinking"),
        ),
        "system": TEXT_PART,
    }
    return union(*(_turn(role, block) for role, block in blocks.items()))


def _turn(role: str, block: JsonSchema) -> JsonSchema:
    content = union(STRING, list_of(block, 1, MAX_PARTS))
    return object_of({"role": {"const": role}, "content": content}, "role", "content")


def components() -> dict[str, Any]:
    """The schemas that several fields refer to, by their names."""
    function = object_of(FUNCTION, "name")
    tool = {"name": NAME, "description": MAYBE_STRING, "input_schema": OBJECT}
    kind = nullable({"const": "custom"})
    return {
        "ChatMessage": _chat_message(),
        "Tool": tagged("function", function=function),
        "ResponseTool": object_of({"type": {"const": "function"}, **FUNCTION}, "type", "name"),
        "ResponseItem": _response_item(),
        "AnthropicMessage": _anthropic_message(),
        "AnthropicTool": object_of({**tool, "type": kind}, "name", "input_schema"),
    }
