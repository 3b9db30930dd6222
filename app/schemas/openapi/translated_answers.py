"""The answers of `/v1/responses` and `/v1/messages`, as JSON Schema."""

from __future__ import annotations

from typing import Any

from app.schemas.chat import EFFORTS
from app.schemas.openapi.answers import MAYBE_STRING
from app.schemas.openapi.generation_answers import scored_token
from app.schemas.openapi.shapes import (
    BOOLEAN,
    COUNT,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    JsonSchema,
    array,
    nullable,
    one_of,
    record,
    union,
)


def responses() -> dict[str, JsonSchema]:
    """Answers of `/v1/responses`."""
    response = {
        "id": {**STRING, "pattern": "^resp_"},
        "object": "response",
        "created_at": INTEGER,
        "completed_at": nullable(INTEGER),
        "status": one_of("completed", "incomplete", "in_progress", "failed"),
        "error": nullable(record({"code": STRING, "message": STRING})),
        "incomplete_details": nullable(record({"reason": STRING})),
        "model": STRING,
        "output": array(_output_item()),
        "usage": nullable(_usage()),
        **_echoed(),
    }
    event = record({"type": STRING, "sequence_number": COUNT})
    return {
        "Response": record(response),
        "ResponseEvent": {**event, "additionalProperties": True},
    }


def _usage() -> JsonSchema:
    return record(
        {
            **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), COUNT),
            "input_tokens_details": record({"cached_tokens": COUNT, "cache_write_tokens": COUNT}),
            "output_tokens_details": record({"reasoning_tokens": COUNT}),
        }
    )


def _echoed() -> dict[str, Any]:
    """What an answer repeats of its request, or what never changes."""
    repeated = ("instructions", "user", "safety_identifier", "prompt_cache_key")
    return {
        **dict.fromkeys(repeated, MAYBE_STRING),
        "background": False,
        "max_output_tokens": nullable(INTEGER),
        "max_tool_calls": NULL,
        "metadata": {**OBJECT, "additionalProperties": STRING},
        "parallel_tool_calls": BOOLEAN,
        "previous_response_id": NULL,
        "reasoning": record({"effort": one_of(*EFFORTS, None), "summary": MAYBE_STRING}),
        "service_tier": "default",
        "store": False,
        "temperature": NUMBER,
        "text": record({"format": {**OBJECT, "required": ["type"]}, "verbosity": "medium"}),
        "tool_choice": {"type": ["string", "object"]},
        "tools": array(OBJECT),
        "top_logprobs": COUNT,
        "top_p": NUMBER,
        "truncation": "disabled",
    }


def _output_item() -> JsonSchema:
    item = {"id": STRING, "status": one_of("in_progress", "completed", "incomplete")}
    text = {
        "type": "output_text",
        "text": STRING,
        "annotations": array(OBJECT),
        "logprobs": array(scored_token()),
    }
    thought = record({"type": "reasoning_text", "text": STRING})
    call = {"call_id": STRING, "name": STRING, "arguments": STRING}
    return union(
        record({**item, "type": "message", "role": "assistant", "content": array(record(text))}),
        record({**item, "type": "function_call", **call}),
        record({**item, "type": "reasoning", "summary": array(OBJECT), "content": array(thought)}),
    )


def messages() -> dict[str, JsonSchema]:
    """Answers of `/v1/messages`."""
    blocks = union(
        record({"type": "text", "text": STRING}),
        record({"type": "tool_use", "id": STRING, "name": STRING, "input": OBJECT}),
        record({"type": "thinking", "thinking": STRING, "signature": STRING}),
    )
    message = {
        "id": {**STRING, "pattern": "^msg_"},
        "type": "message",
        "role": "assistant",
        "model": STRING,
        "content": array(blocks),
        "stop_reason": one_of("end_turn", "max_tokens", "stop_sequence", "tool_use", None),
        "stop_sequence": MAYBE_STRING,
        "usage": record({"input_tokens": COUNT, "output_tokens": COUNT}),
    }
    return {
        "Message": record(message),
        "MessageEvent": {**record({"type": STRING}), "additionalProperties": True},
        "TokenCount": record({"input_tokens": COUNT}),
    }
