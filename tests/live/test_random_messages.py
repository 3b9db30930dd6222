"""Whatever a model writes, its calls, its reasoning and all that looks like them: each API's
stream adds up to its whole answer, and the three APIs tell the same message.

The parrot of the tests' Triton repeats the last message, so a test chooses what "the model" says.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.types import TOOL_CALL_PARSERS
from tests.live.http import Server
from tests.services.named_events import read_named

CALLS = (
    '<tool_call>\n{"name": "f", "arguments": {"a": [1, {"b": "ü\\n"}]}}\n</tool_call>',
    '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>',
    '<tool_call>\n{"name": "unknown", "arguments": {}}\n</tool_call>',
    '<tool_call>\n{"name": "f", "arguments": {"a": }}\n</tool_call>',
    '{"name": "f", "parameters": {"x": 1}}',
    '[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}]',
    'f\n{"x": 1}',
    "[f(x=1), g(y='a')]",
)
WORDS = ("Hello ", "你好 ", "😊", "<tool_", "call>", "{", "[", "}", "\n\n", "a < b", "</think>")
TEXT = st.lists(st.sampled_from((*CALLS, *WORDS)), min_size=1, max_size=6).map("".join)
THOUGHT = st.sampled_from(("", "<think>\nhm\n</think>\n\n", "<think>", "<think>a</think>b"))
# The parrot finds no user turn whose text begins or ends with a line break.
SAYING = st.tuples(THOUGHT, TEXT).map("".join).map(str.strip).filter(bool)
FUNCTIONS = [{"name": name, "parameters": {"type": "object"}} for name in ("f", "g")]

LIMITS = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def named_events(server: Server, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = server.post(path, {**body, "stream": True})
    assert answer.status == 200, answer.body
    return [event for event in read_named(answer.body) if isinstance(event, dict)]


def post(server: Server, path: str, body: dict[str, Any]) -> Any:
    answer = server.post(path, body)
    assert answer.status == 200, answer.body
    return answer.json()


def without_ids(value: Any) -> Any:
    """JSON without what differs from request to request."""
    if isinstance(value, dict):
        gone = {"id", "call_id", "created_at", "completed_at", "created", "item_id"}
        return {key: without_ids(item) for key, item in value.items() if key not in gone}
    return [without_ids(item) for item in value] if isinstance(value, list) else value


def folded_chat(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the deltas of a chat make, and the reason of its end."""
    message: dict[str, Any] = {"content": "", "reasoning": "", "calls": [], "reason": None}
    for event in events:
        for choice in event["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", ()):
                if "name" in call["function"]:
                    message["calls"].append([call["function"]["name"], ""])
                message["calls"][call["index"]][1] += call["function"]["arguments"]
            message["reason"] = choice["finish_reason"] or message["reason"]
    return message


def whole_chat(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    calls = [call["function"] for call in message.get("tool_calls", ())]
    return {
        "content": message["content"] or "",
        "reasoning": message.get("reasoning_content", ""),
        "calls": [[call["name"], call["arguments"]] for call in calls],
        "reason": choice["finish_reason"],
    }


# Calls as each family writes them. Some look for them at the beginning only.
OF_FAMILY = {
    "hermes": CALLS[0],
    "qwen": CALLS[1],
    "llama3_json": CALLS[4],
    "mistral": CALLS[5],
    "chatglm3": "f\n```python\ntool_call(x=1, y='ü')\n```",
    "glm4": CALLS[6],
    "pythonic": CALLS[7],
}


@pytest.mark.parametrize("parser", TOOL_CALL_PARSERS)
def test_a_call_of_each_family_is_one(gateway: Server, parser: str) -> None:
    assert talk(gateway, OF_FAMILY[parser], parser, is_parallel=True)["calls"]


@pytest.mark.parametrize("parser", TOOL_CALL_PARSERS)
@settings(LIMITS, max_examples=8)
@given(is_call=st.booleans(), saying=SAYING, is_parallel=st.booleans())
def test_chats(gateway: Server, parser: str, is_call: bool, saying: str, is_parallel: bool) -> None:
    begun = OF_FAMILY[parser] + "\n" if is_call else ""
    message = talk(gateway, begun + saying, parser, is_parallel=is_parallel)
    assert (message["reason"] == "tool_calls") == bool(message["calls"])
    assert is_parallel or len(message["calls"]) <= 1


def talk(gateway: Server, saying: str, parser: str, *, is_parallel: bool) -> dict[str, Any]:
    """The message, the same whole and streamed."""
    body = {
        "model": f"parrot-{parser}",
        "messages": [{"role": "user", "content": saying}],
        "tools": [{"type": "function", "function": each} for each in FUNCTIONS],
        "parallel_tool_calls": is_parallel,
    }
    whole = post(gateway, "/v1/chat/completions", body)
    events = gateway.events("/v1/chat/completions", body)
    message = whole_chat(whole["choices"][0])
    assert folded_chat(events) == message
    assert events[-1]["usage"] == whole["usage"]
    return message


@LIMITS
@given(saying=SAYING)
def test_responses(gateway: Server, saying: str) -> None:
    tools = [{"type": "function", **each} for each in FUNCTIONS]
    body = {"model": "ft-parrot", "input": saying, "tools": tools}
    whole = post(gateway, "/v1/responses", body)
    events = named_events(gateway, "/v1/responses", body)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert without_ids(events[-1]["response"]) == without_ids(whole)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert without_ids(done) == without_ids(whole["output"])
    for kind in ("output_text", "reasoning_text", "function_call_arguments"):
        deltas = [each["delta"] for each in events if each["type"] == f"response.{kind}.delta"]
        name = "arguments" if kind == "function_call_arguments" else "text"
        finals = [each[name] for each in events if each["type"] == f"response.{kind}.done"]
        assert "".join(deltas) == "".join(finals)


def folded_blocks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    texts: list[str] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
            texts.append("")
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            texts[event["index"]] += (
                delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
            )
    for block, text in zip(blocks, texts, strict=True):
        if block["type"] == "tool_use":
            block["input"] = loaded(text)
        else:
            block["text" if block["type"] == "text" else "thinking"] = text
    return blocks


def loaded(text: str) -> Any:
    """The input of a call; an empty one where the model broke off."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {}


@LIMITS
@given(saying=SAYING)
def test_messages(gateway: Server, saying: str) -> None:
    body = {
        "model": "ft-parrot",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": saying}],
        "thinking": {"type": "enabled", "budget_tokens": 100},
        "tools": [{"name": each["name"], "input_schema": each["parameters"]} for each in FUNCTIONS],
    }
    whole = post(gateway, "/v1/messages", body)
    events = named_events(gateway, "/v1/messages", body)
    assert without_ids(folded_blocks(events)) == without_ids(whole["content"])
    (delta,) = [event for event in events if event["type"] == "message_delta"]
    assert delta["delta"]["stop_reason"] == whole["stop_reason"]
    assert delta["usage"] == whole["usage"]


@LIMITS
@given(saying=SAYING)
def test_the_three_tell_the_same(gateway: Server, saying: str) -> None:
    messages = [{"role": "user", "content": saying}]
    tools = [{"type": "function", "function": each} for each in FUNCTIONS]
    chat = post(
        gateway,
        "/v1/chat/completions",
        {"model": "ft-parrot", "messages": messages, "tools": tools},
    )
    told = whole_chat(chat["choices"][0])
    response = post(
        gateway,
        "/v1/responses",
        {
            "model": "ft-parrot",
            "input": saying,
            "tools": [{"type": "function", **each} for each in FUNCTIONS],
        },
    )
    texts = [
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    ]
    assert "".join(texts) == told["content"]
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    assert [[call["name"], call["arguments"]] for call in calls] == told["calls"]
    assert response["usage"]["output_tokens"] == chat["usage"]["completion_tokens"]
