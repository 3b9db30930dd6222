"""`POST /v1/responses` in front of a scripted Triton, checked with openai-python's types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.applications import END_ID, LLM, token_ids
from tests.scripted_triton import (
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    WhenItMay,
    error_message,
    message,
    value,
)
from tests.services.named_events import read_named
from tests.services.tool_model import CALL, SCHEMA, prompt, says, tool_client

TOOL = {"type": "function", "name": "get_weather", "parameters": SCHEMA}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
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
    return client.post("/v1/responses", json={"model": LLM, "input": "Hello", **body})


def whole(client: FlaskClient, **body: Any) -> dict[str, Any]:
    response = post(client, **body)
    assert response.status_code == 200, response.json
    Response.model_validate(response.json, strict=True)
    answer: dict[str, Any] = response.json
    return answer


def streamed(client: FlaskClient, **body: Any) -> list[dict[str, Any]]:
    events = read_named(post(client, stream=True, **body).data)
    for event in events:
        EVENT.validate_python(event, strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def without_ids(value: Any) -> Any:
    """What two answers to the same request have in common."""
    if isinstance(value, list):
        return [without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    own = {"id", "call_id", "created_at", "completed_at"}
    return {name: without_ids(item) for name, item in value.items() if name not in own}


def folded(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output, put together of the deltas alone."""
    output: list[dict[str, Any]] = []
    for event in events:
        match event["type"]:
            case "response.output_item.added":
                output.append({**event["item"], "status": "completed"})
            case "response.content_part.added":
                output[event["output_index"]]["content"].append(dict(event["part"]))
            case "response.output_text.delta" | "response.reasoning_text.delta":
                part = output[event["output_index"]]["content"][event["content_index"]]
                part["text"] += event["delta"]
            case "response.function_call_arguments.delta":
                output[event["output_index"]]["arguments"] += event["delta"]
    return output


def test_a_whole_answer(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat")
    answer = whole(client, metadata={"a": "b"}, temperature=0.5, store=True)
    assert answer["id"].startswith("resp_")
    (message,) = answer["output"]
    part = {"type": "output_text", "text": "small boat", "annotations": [], "logprobs": []}
    assert message["id"].startswith("msg_")
    assert message["content"] == [part]
    assert (answer["status"], answer["error"], answer["store"]) == ("completed", None, False)
    assert (answer["metadata"], answer["temperature"]) == ({"a": "b"}, 0.5)
    num_input, num_output = len(token_ids(prompt(triton))), len(token_ids("small boat"))
    assert answer["usage"] == {
        "input_tokens": num_input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": num_output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": num_input + num_output,
    }


@pytest.mark.parametrize("text", ANSWERS)
@pytest.mark.parametrize("max_output_tokens", [None, 9])
def test_the_stream_is_the_whole_answer(
    client: FlaskClient, triton: ScriptedTriton, text: str, max_output_tokens: int | None
) -> None:
    says(triton, text)
    body = {"tools": [TOOL], "max_output_tokens": max_output_tokens}
    answer, events = whole(client, **body), streamed(client, **body)
    last = events[-1]
    assert last["type"] == f"response.{answer['status']}"
    assert without_ids(last["response"]) == without_ids(answer)
    rest = [{**item, "status": "completed"} for item in last["response"]["output"]]
    assert folded(events) == rest
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == last["response"]["output"]


def test_events_come_in_their_order(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, f"<think>hm</think>I look.{CALL}")
    kinds = [event["type"].removeprefix("response.") for event in streamed(client, tools=[TOOL])]
    part = ["output_item.added", "content_part.added", "{}.delta", "{}.done", "content_part.done"]
    assert list(dict.fromkeys(kinds[:9])) == [
        "created",
        "in_progress",
        *(kind.format("reasoning_text") for kind in part),
        "output_item.done",
    ]
    assert [kind for kind in kinds if kind != "output_text.delta"][9:] == [
        *(kind.format("output_text") for kind in part if kind != "{}.delta"),
        "output_item.done",
        "output_item.added",
        *["function_call_arguments.delta"] * kinds.count("function_call_arguments.delta"),
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_calls_have_their_arguments(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, CALL)
    (item,) = whole(client, tools=[TOOL])["output"]
    assert (item["type"], item["name"]) == ("function_call", "get_weather")
    assert item["arguments"] == '{"city": "Paris"}'
    assert item["call_id"] != item["id"]


def test_reasoning_has_its_tokens(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "<think>hm</think>boat")
    answer = whole(client)
    assert answer["output"][0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    usage = answer["usage"]
    assert 0 < usage["output_tokens_details"]["reasoning_tokens"] < usage["output_tokens"]


def test_a_cut_answer_is_incomplete(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat on the sea")
    answer = whole(client, max_output_tokens=2)
    assert (answer["status"], answer["completed_at"]) == ("incomplete", None)
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["output"][0]["status"] == "incomplete"
    assert value(triton.requests[0], "request_output_len") == 2


def test_only_allowed_tools_are_shown(client: FlaskClient, triton: ScriptedTriton) -> None:
    other = {**TOOL, "name": "other"}
    choice = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "other"}],
    }
    answer = whole(client, tools=[TOOL, other], tool_choice=choice)
    assert prompt(triton).startswith("[other]<|im_start|>")
    assert answer["tool_choice"] == choice
    assert len(answer["tools"]) == 2


def test_a_named_function_is_called(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, '{"city": "Paris"}}\n</tool_call>')
    choice = {"type": "function", "name": "get_weather"}
    answer = whole(client, tools=[TOOL], tool_choice=choice)
    assert [item["type"] for item in answer["output"]] == ["function_call"]
    assert (answer["tool_choice"], answer["status"]) == (choice, "completed")


@pytest.mark.parametrize(("effort", "shown"), [("none", "False"), ("low", "True")])
def test_effort_reaches_a_template_that_takes_it(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    effort: str,
    shown: str,
) -> None:
    client = tool_client(tmp_path, triton, http_triton, template_kwargs=["enable_thinking"])
    assert whole(client, reasoning={"effort": effort})["reasoning"]["effort"] == effort
    assert prompt(triton).startswith(f"[thinking: {shown}]<|im_start|>user")


def test_logprobs_are_beside_their_text(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    ids = token_ids("small boat")
    scores = [-0.5 * number for number in range(1, len(ids) + 1)]

    def script(request: Any, context: Any) -> Iterator[Any]:
        for answer in Generated([*ids, END_ID])(request, context):
            given = message({"output_log_probs": ("FP32", [[[*scores, 0.0]]])}).infer_response
            answer.infer_response.outputs.extend(given.outputs)
            answer.infer_response.raw_output_contents.extend(given.raw_output_contents)
            yield answer

    triton.config.output.add(name="output_log_probs", data_type="TYPE_FP32", dims=[-1, -1])
    triton.script = script
    # An application of its own, because a model's contract is read once.
    client = tool_client(tmp_path, triton, http_triton)
    include = ["message.output_text.logprobs"]
    answer, events = whole(client, include=include), streamed(client, include=include)
    (part,) = answer["output"][0]["content"]
    assert "".join(entry["token"] for entry in part["logprobs"]) == "small boat"
    assert [entry["logprob"] for entry in part["logprobs"]] == scores
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [entry for delta in deltas for entry in delta["logprobs"]] == part["logprobs"]
    assert len(deltas) > 1


def test_a_failure_after_the_start_is_told_twice(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    def script(request: Any, context: Any) -> Iterator[Any]:
        yield next(iter(Generated(token_ids("boat"))(request, context)))
        yield error_message("canary at /root/x")

    triton.script = script
    *_, failed, error = streamed(client)
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "server_error"
    assert [item["status"] for item in failed["response"]["output"]] == ["incomplete"]
    assert error["type"] == "error"
    assert error["error"]["code"] == error["code"] == "backend_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_token_is_a_status(
    client: FlaskClient, triton: ScriptedTriton, stream: bool
) -> None:
    triton.script = lambda *_: iter(())
    response = post(client, stream=stream)
    assert (response.status_code, response.json["error"]["code"]) == (502, "backend_error")


def test_silence_starts_the_stream(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = script = WhenItMay(Generated([300, 2]))
    received = script.read(post(client, stream=True).iter_encoded(), b": keep-alive")
    events = read_named(received)
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[2] == ": keep-alive"
    assert events[-1]["type"] == "response.completed"
