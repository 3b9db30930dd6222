"""However a model's text is cut into chunks, the message is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chunks import Chunk, TextLogprob
from app.registry import LanguageModelSpec
from app.registry.specs import GenerationFacts
from app.services.message_text import MessageText
from app.services.messages import Message
from app.types import ChatRequest, ToolChoice

TOOLS = tuple(
    {"type": "function", "function": {"name": name, "parameters": {}}} for name in ("f", "look_up")
)


def call(name: str, arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


PIECES = st.sampled_from(
    [
        "Hello",
        " 你好\n",
        "<",
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        '{"name": "f"',
        "\n\n",
        call("f", {}),
        call("f", {"a": [1, {"b": "}\n"}]}),
        call("look_up", {"x": "é😊"}),
        call("unknown", {}),
        "<tool_call>{broken}</tool_call>",
    ]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)


def spec(tools: str | None, reasoning: str | None) -> LanguageModelSpec:
    return LanguageModelSpec(
        name="m",
        urls=("localhost:1",),
        folder=Path(),
        triton_model="m",
        tool_call_parser=tools,
        reasoning_parser=reasoning,
        facts=GenerationFacts(start_id=0, end_id=2, max_len=64),
    )


def read(text: str, cuts: list[int], reason: str, *, made: MessageText) -> Message:
    """The message of a text that is cut at these places, one log-probability in each chunk."""
    places = sorted({cut for cut in cuts if 0 < cut < len(text)})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    message = Message()
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        entry = TextLogprob(piece.encode(), -1.0, number)
        chunk = Chunk(
            piece,
            number + 1,
            0,
            reason if is_last else None,
            "stop here" if is_last else None,
            (entry,),
        )
        for delta in made.deltas(chunk):
            assert message.finish_reason is None
            message.add(delta)
        if made.is_over:
            break
    assert made.is_over
    assert message.finish_reason is not None
    return message


def shown(message: Message) -> Any:
    calls = [(each.name, each.arguments) for each in message.tool_calls]
    return message.content, message.reasoning, calls, message.finish_reason


@pytest.mark.parametrize("reasoning", [None, "think", "deepseek_r1"])
@pytest.mark.parametrize("is_parallel", [True, False])
@pytest.mark.parametrize("tools", [None, "hermes", "llama3_json", "mistral"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(1, 200), max_size=8),
    reason=st.sampled_from(["stop", "length"]),
    has_reasoning=st.booleans(),
)
def test_any_cuts_give_the_same_message(
    reasoning: str | None,
    is_parallel: bool,
    tools: str | None,
    text: str,
    cuts: list[int],
    reason: str,
    has_reasoning: bool,
) -> None:
    request = ChatRequest(
        model="m",
        messages=(),
        tools=TOOLS,
        has_parallel_tool_calls=is_parallel,
        has_reasoning=has_reasoning,
    )

    def made() -> MessageText:
        return MessageText(spec(tools, reasoning), request, "<|im_start|>assistant\n", "")

    whole = read(text, [], reason, made=made())
    parts = read(text, cuts, reason, made=made())
    assert shown(parts) == shown(whole)
    characters = read(text, list(range(len(text))), reason, made=made())
    assert shown(characters) == shown(whole)
    check_message(whole, is_parallel=is_parallel, has_reasoning=has_reasoning, reason=reason)
    if is_parallel:
        # Nothing ends early, so every log-probability is there once.
        assert b"".join(entry.data for entry in parts.logprobs).decode() == text


def check_message(message: Message, *, is_parallel: bool, has_reasoning: bool, reason: str) -> None:
    assert is_parallel or len(message.tool_calls) <= 1
    assert has_reasoning or not message.reasoning
    if not message.tool_calls:
        assert message.finish_reason == reason
    elif reason == "stop":
        assert message.finish_reason == "tool_calls"
        for each in message.tool_calls:
            assert isinstance(json.loads(each.arguments), dict)


def test_a_named_function_stops() -> None:
    request = ChatRequest(
        model="m", messages=(), tools=TOOLS, tool_choice=ToolChoice("function", "f")
    )
    made = MessageText(spec("hermes", None), request, "", "")
    message = read(call("f", {"a": 1}), [], "stop", made=made)
    assert shown(message) == ("", "", [("f", '{"a": 1}')], "stop")
