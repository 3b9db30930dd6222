"""The Responses API on a real Triton, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.http import Server
from tests.live.waiting import wait_until
from tests.services.named_events import read_named

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def events_of(server: Server, path: str, body: dict[str, Any]) -> list[Any]:
    answer = server.post(path, {**body, "stream": True})
    assert answer.status == 200
    return read_named(answer.body)


def request(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "demo-chat", "input": text, "temperature": 0, **fields}


def text_of(response: dict[str, Any]) -> str:
    (message,) = response["output"]
    (part,) = message["content"]
    text: str = part["text"]
    return text


def deltas_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["delta"] for event in events if event["type"] == "response.output_text.delta"]


@pytest.mark.parametrize("text", ["你好", "Tell me a story.", "What is 3 + 4?"])
def test_the_answer_is_that_of_a_chat(gateway: Server, text: str) -> None:
    message = {"role": "user", "content": text}
    chat = gateway.post(CHAT, {"model": "demo-chat", "messages": [message], "temperature": 0})
    whole = gateway.post(RESPONSES, request(text)).json()
    assert text_of(whole) == chat.json()["choices"][0]["message"]["content"]
    assert whole["usage"]["total_tokens"] == chat.json()["usage"]["total_tokens"]
    events = events_of(gateway, RESPONSES, request(text))
    assert "".join(deltas_of(events)) == text_of(events[-1]["response"]) == text_of(whole)
    # What has come together is told together, as it may on a busy machine.
    wait_until(lambda: len(deltas_of(events_of(gateway, RESPONSES, request(text)))) > 1, "deltas")
    assert events[-1]["response"]["usage"] == whole["usage"]


def test_instructions_are_a_system_message(gateway: Server) -> None:
    system = "You are a helpful assistant."
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "你好"}]
    one = gateway.post(RESPONSES, request("你好", instructions=system)).json()
    other = gateway.post(RESPONSES, {**request(""), "input": messages}).json()
    assert one["output"][0]["content"] == other["output"][0]["content"]
    assert one["usage"] == other["usage"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_limit_makes_it_incomplete(gateway: Server, stream: bool) -> None:
    body = request("Tell me a story.", max_output_tokens=4)
    if stream:
        *_, last = events_of(gateway, RESPONSES, body)
        answer = last["response"]
    else:
        answer = gateway.post(RESPONSES, body).json()
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["usage"]["output_tokens"] == 4


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called(gateway: Server, stream: bool) -> None:
    body = request(f"{CALL}\n{CALL}", model="ft-parrot", tools=[TOOL])
    if stream:
        *_, last = events_of(gateway, RESPONSES, body)
        output = last["response"]["output"]
    else:
        output = gateway.post(RESPONSES, body).json()["output"]
    calls = [item for item in output if item["type"] == "function_call"]
    assert [json.loads(call["arguments"]) for call in calls] == [{"city": "Paris"}] * 2
    assert len({call["call_id"] for call in calls}) == 2


def test_a_model_without_a_parser_refuses_tools(gateway: Server) -> None:
    answer = gateway.post(RESPONSES, request("hello", tools=[TOOL]))
    assert (answer.status, answer.json()["error"]["param"]) == (400, "tools")
