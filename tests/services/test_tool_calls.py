"""Tool calls of a model that writes them, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import (
    END_ID,
    LLM,
    build_application,
    language_model,
    standard_configuration,
    token_ids,
)
from tests.scripted_triton import Generated, ScriptedHttpTriton, ScriptedTriton, sent
from tests.services.sse import read_events
from tests.tokenizers.cached import tokenizer

WEATHER, TIME = "get_weather", "get_time"
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in (WEATHER, TIME)
]
QUESTION = [{"role": "user", "content": "How is it in Köln?"}]
ARGUMENTS = {"city": "Köln 😊", "days": [1, 2]}

Build = Callable[..., FlaskClient]


def call(name: str = WEATHER, arguments: Any = ARGUMENTS) -> str:
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


@pytest.fixture
def build(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Build:
    """A gateway whose language model has these keys, and Qwen's template and parser."""

    def made(**llm: Any) -> FlaskClient:
        keys = {"chat_template": "qwen.jinja", "tool_call_parser": "hermes", **llm}
        configuration = standard_configuration(
            triton.address, http_triton.address, llm=keys, max_len=4096
        )
        return build_application(tmp_path, configuration).test_client()

    return made


@pytest.fixture
def client(build: Build) -> FlaskClient:
    return build()


def says(triton: ScriptedTriton, text: str, step: int = 1, *, ends: bool = True) -> None:
    triton.script = Generated([*token_ids(text), *([END_ID] if ends else [])], step=step)


def post(client: FlaskClient, **body: Any) -> Any:
    given = {"model": LLM, "messages": QUESTION, "tools": TOOLS, "max_tokens": 400, **body}
    return client.post("/v1/chat/completions", json=given)


def whole(client: FlaskClient, **body: Any) -> Any:
    """The only choice, its calls' arguments read."""
    response = post(client, **body)
    assert response.status_code == 200, response.json
    choice = response.json["choices"][0]
    return choice["message"], choice["finish_reason"]


def streamed(client: FlaskClient, **body: Any) -> Any:
    """The same message put together of the deltas."""
    *events, _ = read_events(post(client, stream=True, **body).data)
    message: Any = {"content": "", "tool_calls": []}
    reason = None
    for event in events:
        (choice,) = event["choices"]
        assert reason is None
        reason = choice["finish_reason"]
        message["content"] += choice["delta"].get("content") or ""
        for delta in choice["delta"].get("tool_calls", []):
            _add(message["tool_calls"], delta)
    return message, reason


def _add(calls: list[Any], delta: Any) -> None:
    if delta["index"] == len(calls):
        assert delta["type"] == "function"
        assert delta["id"]
        calls.append({"id": delta["id"], **delta["function"]})
        return
    # A call is never gone back to, and its name comes once.
    assert delta["index"] == len(calls) - 1
    assert set(delta["function"]) == {"arguments"}
    assert "id" not in delta
    calls[-1]["arguments"] += delta["function"]["arguments"]


def names(message: Any) -> list[tuple[str, Any]]:
    found = [each.get("function", each) for each in message.get("tool_calls", [])]
    return [(each["name"], json.loads(each["arguments"])) for each in found]


@pytest.mark.parametrize("step", [1, 5, 999])
@pytest.mark.parametrize("read", [whole, streamed])
def test_content_and_calls(
    client: FlaskClient, triton: ScriptedTriton, read: Any, step: int
) -> None:
    says(triton, f"Let me look.\n{call()}\n{call(TIME, {})}", step)
    message, reason = read(client)
    assert message["content"] == "Let me look."
    assert names(message) == [(WEATHER, ARGUMENTS), (TIME, {})]
    assert reason == "tool_calls"


def test_a_message_of_nothing_but_a_call(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, call())
    message, _ = whole(client)
    assert message["content"] is None
    (made,) = message["tool_calls"]
    assert (made["type"], set(made)) == ("function", {"id", "type", "function"})
    assert made["id"].startswith("call_")


def test_ids_are_unique(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, f"{call()}\n{call()}")
    choices = post(client, n=3).json["choices"]
    ids = [made["id"] for choice in choices for made in choice["message"]["tool_calls"]]
    assert len(ids) == len(set(ids)) == 6


def test_arguments_are_streamed_as_they_come(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, call())
    *events, _ = read_events(post(client, stream=True).data)
    deltas = [event["choices"][0]["delta"].get("tool_calls") for event in events]
    assert len([each for each in deltas if each]) > 5


@pytest.mark.parametrize("read", [whole, streamed])
@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "get_weather", "arguments": oops}\n</tool_call>',
        '<tool_call>\n{"name": "another", "arguments": {}}\n</tool_call>',
        "<tool_call>",
        'The JSON is {"name": 1}.',
    ],
)
def test_what_is_no_call_is_content(
    client: FlaskClient, triton: ScriptedTriton, read: Any, text: str
) -> None:
    says(triton, text)
    message, reason = read(client)
    assert (message["content"], names(message), reason) == (text, [], "stop")


@pytest.mark.parametrize("read", [whole, streamed])
def test_a_call_that_the_length_cuts(
    client: FlaskClient, triton: ScriptedTriton, read: Any
) -> None:
    text = call()
    most = len(token_ids(text)) - 8
    says(triton, text)
    message, reason = read(client, max_tokens=most)
    assert reason == "length"
    (made,) = message["tool_calls"]
    arguments = made.get("function", made)["arguments"]
    assert json.dumps(ARGUMENTS, ensure_ascii=False).startswith(arguments)
    assert arguments


# ---- parallel_tool_calls


@pytest.mark.parametrize("step", [1, 5, 999])
@pytest.mark.parametrize("read", [whole, streamed])
def test_one_call_only(client: FlaskClient, triton: ScriptedTriton, read: Any, step: int) -> None:
    says(triton, f"Let me look.\n{call()}\n{call(TIME, {})} and more", step)
    message, reason = read(client, parallel_tool_calls=False)
    assert names(message) == [(WEATHER, ARGUMENTS)]
    assert message["content"] == "Let me look."
    assert reason == "tool_calls"


@pytest.mark.parametrize("step", [1, 999])
def test_no_call_at_all(client: FlaskClient, triton: ScriptedTriton, step: int) -> None:
    says(triton, "It is sunny.", step)
    message, reason = whole(client, parallel_tool_calls=False)
    assert (message["content"], reason) == ("It is sunny.", "stop")


# ---- tool_choice


def prompt(triton: ScriptedTriton) -> str:
    (ids,) = sent(triton.requests[-1])["input_ids"][1]
    return tokenizer("byte_level_bpe").decode(ids, skip_special_tokens=False)


def test_none_shows_no_tools_and_reads_no_calls(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    says(triton, call())
    message, reason = whole(client, tool_choice="none")
    assert (message["content"], names(message), reason) == (call(), [], "stop")
    assert WEATHER not in prompt(triton)


def test_auto_shows_the_tools(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "Hello")
    whole(client)
    assert WEATHER in prompt(triton)
    assert prompt(triton).endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize("read", [whole, streamed])
@pytest.mark.parametrize("step", [1, 999])
def test_required_begins_a_call(
    client: FlaskClient, triton: ScriptedTriton, read: Any, step: int
) -> None:
    opening = '<tool_call>\n{"name": "'
    says(triton, call().removeprefix(opening), step)
    message, reason = read(client, tool_choice="required")
    assert prompt(triton).endswith(f"<|im_start|>assistant\n{opening}")
    assert not message["content"]
    assert names(message) == [(WEATHER, ARGUMENTS)]
    assert reason == "tool_calls"


@pytest.mark.parametrize("read", [whole, streamed])
def test_a_named_function_is_a_call_that_stops(
    client: FlaskClient, triton: ScriptedTriton, read: Any
) -> None:
    opening = f'<tool_call>\n{{"name": "{TIME}", "arguments": '
    says(triton, '{"zone": "UTC"}}\n</tool_call>')
    choice = {"type": "function", "function": {"name": TIME}}
    message, reason = read(client, tool_choice=choice)
    assert prompt(triton).endswith(opening)
    assert names(message) == [(TIME, {"zone": "UTC"})]
    assert reason == "stop"


def test_the_opening_counts_as_prompt(client: FlaskClient, triton: ScriptedTriton) -> None:
    rest = '{"name": "get_time", "arguments": {}}\n</tool_call>'
    says(triton, rest.removeprefix('{"name": "'))
    usage = post(client, tool_choice="required").json["usage"]
    (ids,) = sent(triton.requests[-1])["input_ids"][1]
    assert usage["prompt_tokens"] == len(ids)
    assert usage["completion_tokens"] == len(token_ids(rest.removeprefix('{"name": "')))


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "another"}}},
            "tool_choice",
        ),
    ],
)
def test_a_choice_of_nothing(client: FlaskClient, fields: Any, param: str) -> None:
    response = post(client, **fields)
    assert (response.status_code, response.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"tool_call_parser": None}, "parser"),
        ({"chat_template": language_model("")["chat_template"]}, "template"),
    ],
)
def test_a_model_that_calls_nothing(
    build: Build, triton: ScriptedTriton, keys: Any, word: str
) -> None:
    client = build(**keys)
    response = post(client)
    error = response.json["error"]
    assert (response.status_code, error["param"]) == (400, "tools")
    assert error["code"] == "unsupported_parameter"
    assert word in error["message"]
    says(triton, "Hello")
    assert whole(client, tool_choice="none")[0]["content"] == "Hello"
