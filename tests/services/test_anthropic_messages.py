"""`POST /v1/messages` in front of a scripted Triton."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import LLM, token_ids
from tests.scripted_triton import (
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    WhenItMay,
    value,
)
from tests.services.named_events import read_named
from tests.services.tool_model import CALL, SCHEMA, prompt, says, tool_client

PATH = "/v1/messages"
HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}
SHOWN = {"type": "adaptive"}
# What is left of a call whose beginning is in the prompt.
OPENED = CALL[CALL.index('{"city"') :]
ANSWERS = [
    "small boat",
    "",
    "<think>hm</think>small boat",
    CALL,
    f"<think>hm</think>I look.{CALL}\n{CALL}",
    "naïve 你好 🙂",
]


@pytest.fixture
def client(shared_tool_client: FlaskClient) -> FlaskClient:
    return shared_tool_client


def post(client: FlaskClient, **body: Any) -> Any:
    return client.post(PATH, json={"model": LLM, "max_tokens": 200, "messages": HELLO, **body})


def whole(client: FlaskClient, **body: Any) -> dict[str, Any]:
    response = post(client, **body)
    assert response.status_code == 200, response.json
    answer: dict[str, Any] = response.json
    return answer


def streamed(client: FlaskClient, **body: Any) -> list[Any]:
    return read_named(post(client, stream=True, **body).data)


def folded(events: list[Any]) -> dict[str, Any]:
    """The message, put together as Anthropic's clients do."""
    start, *others = events
    message: dict[str, Any] = start["message"]
    inputs: dict[int, str] = {}
    for event in others:
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(message["content"])
                message["content"].append(event["content_block"])
            case "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                if delta["type"] == "input_json_delta":
                    text = inputs.get(event["index"], "") + delta["partial_json"]
                    inputs[event["index"]] = text
                else:
                    name = delta["type"].removesuffix("_delta")
                    block[name] += delta[name]
            case "message_delta":
                message |= {**event["delta"], "usage": event["usage"]}
    for index, text in inputs.items():
        message["content"][index]["input"] = json.loads(text)
    return message


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    blocks = [{k: v for k, v in block.items() if k != "id"} for block in message["content"]]
    return {**message, "id": None, "content": blocks}


def test_a_whole_answer(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat")
    answer = whole(client)
    assert answer.pop("id").startswith("msg_")
    assert answer == {
        "type": "message",
        "role": "assistant",
        "model": LLM,
        "content": [{"type": "text", "text": "small boat"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": len(token_ids(prompt(triton))),
            "output_tokens": len(token_ids("small boat")),
        },
    }


@pytest.mark.parametrize("text", ANSWERS)
def test_the_stream_is_the_whole_answer(
    client: FlaskClient, triton: ScriptedTriton, text: str
) -> None:
    says(triton, text)
    answer = whole(client, tools=[TOOL], thinking=SHOWN)
    events = streamed(client, tools=[TOOL], thinking=SHOWN)
    assert without_ids(folded(events)) == without_ids(answer)


def test_events_come_in_their_order(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, f"<think>hm</think>I look.{CALL}")
    events = streamed(client, tools=[TOOL], thinking=SHOWN)
    kinds = [event["type"] for event in events]
    assert [kind for kind in kinds if kind != "content_block_delta"] == [
        "message_start",
        *["content_block_start", "content_block_stop"] * 3,
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["content"] == []
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


def test_calls_have_their_input(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, CALL)
    answer = whole(client, tools=[TOOL])
    (block,) = answer["content"]
    assert (block["name"], block["input"]) == ("get_weather", {"city": "Paris"})
    assert answer["stop_reason"] == "tool_use"


def test_a_cut_call_has_no_input(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, CALL)
    answer = whole(client, tools=[TOOL], max_tokens=len(token_ids(CALL[: CALL.index("Par")])))
    assert [block["input"] for block in answer["content"]] == [{}]
    assert answer["stop_reason"] == "max_tokens"


def test_a_stop_sequence_is_named(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat on the sea")
    answer = whole(client, stop_sequences=["never", " on"])
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", " on")
    assert answer["content"][0]["text"] == "small boat"


@pytest.mark.parametrize(
    ("thinking", "kinds"),
    [
        (None, ["text"]),
        ({"type": "disabled"}, ["text"]),
        ({"type": "adaptive"}, ["thinking", "text"]),
        ({"type": "enabled", "budget_tokens": 1024}, ["thinking", "text"]),
        ({"type": "adaptive", "display": "omitted"}, ["text"]),
    ],
)
def test_thinking_is_shown_where_it_is_asked_for(
    client: FlaskClient, triton: ScriptedTriton, thinking: Any, kinds: list[str]
) -> None:
    says(triton, "<think>hm</think>boat")
    content = whole(client, thinking=thinking)["content"]
    assert [block["type"] for block in content] == kinds


@pytest.mark.parametrize(
    ("kind", "shown"),
    [(None, ""), ("disabled", "[thinking: False]"), ("adaptive", "[thinking: True]")],
)
def test_thinking_reaches_a_template_that_takes_it(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    kind: str | None,
    shown: str,
) -> None:
    client = tool_client(tmp_path, triton, http_triton, template_kwargs=["enable_thinking"])
    post(client, thinking=None if kind is None else {"type": kind})
    assert prompt(triton).startswith(f"{shown}<|im_start|>user")


def test_a_model_that_does_not_reason_is_not_made_to(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    client = tool_client(tmp_path, triton, http_triton, reasoning_parser=None)
    error = post(client, thinking={"type": "enabled", "budget_tokens": 1024}).json["error"]
    assert (error["param"], error["code"]) == ("thinking", "unsupported_parameter")
    assert post(client, thinking={"type": "adaptive"}).status_code == 200


def test_a_last_message_of_the_assistant_is_continued(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    post(client, messages=[*HELLO, {"role": "assistant", "content": "The harbour"}])
    assert prompt(triton).endswith("<|im_start|>assistant\nThe harbour")


def test_the_fields_of_sampling(client: FlaskClient, triton: ScriptedTriton) -> None:
    post(client, temperature=0.5, top_p=0.25, top_k=7, max_tokens=9)
    tensors = ("temperature", "runtime_top_p", "runtime_top_k", "request_output_len")
    assert [value(triton.requests[0], name) for name in tensors] == [0.5, 0.25, 7, 9]


@pytest.mark.parametrize(
    ("choice", "text", "kinds"),
    [
        ({"type": "auto"}, f"{CALL}\n{CALL}", ["tool_use", "tool_use"]),
        ({"type": "auto", "disable_parallel_tool_use": True}, f"{CALL}\n{CALL}", ["tool_use"]),
        ({"type": "none"}, CALL, ["text"]),
        ({"type": "tool", "name": "get_weather"}, OPENED, ["tool_use"]),
    ],
)
def test_tool_choices(
    client: FlaskClient, triton: ScriptedTriton, choice: Any, text: str, kinds: list[str]
) -> None:
    says(triton, text)
    answer = whole(client, tools=[TOOL], tool_choice=choice)
    assert [block["type"] for block in answer["content"]] == kinds
    assert answer["stop_reason"] == ("tool_use" if "tool_use" in kinds else "end_turn")


def test_silence_is_a_ping(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = script = WhenItMay(Generated([300, 2]))
    received = script.read(post(client, stream=True).iter_encoded(), b"event: ping")
    kinds = [event["type"] for event in read_named(received)]
    assert kinds[:2] == ["message_start", "ping"]
    assert kinds[-1] == "message_stop"
