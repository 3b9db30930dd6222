"""Tools, tool choices, log-probabilities and numbers of answers."""

from __future__ import annotations

from typing import Any

import pytest

from app.types import ToolChoice
from tests.schemas.bodies import parsed, refusal


def tool(name: Any = "f", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


NO_PARAMETERS = {"type": "object", "properties": {}}


def test_a_tool_gets_empty_parameters() -> None:
    (found,) = parsed("chat", tools=[tool()]).tools
    assert found == tool(parameters=NO_PARAMETERS)


def test_a_tool_keeps_what_templates_show() -> None:
    parameters = {"type": "object", "properties": {"x": {"type": "string"}}}
    given = tool("get.the-weather_2", description="d", parameters=parameters, strict=True)
    assert parsed("chat", tools=[given]).tools == (given,)


@pytest.mark.parametrize(
    ("function", "kept"),
    [({"description": None, "parameters": None, "strict": None}, {}), ({"other": 1}, {})],
)
def test_nulls_and_unknown_keys_are_dropped(function: Any, kept: Any) -> None:
    (found,) = parsed("chat", tools=[tool(**function)]).tools
    assert found == tool(parameters=NO_PARAMETERS, **kept)


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools(tools: Any) -> None:
    assert parsed("chat", tools=tools).tools == ()


def test_128_tools() -> None:
    assert len(parsed("chat", tools=[tool(f"f{i}") for i in range(128)]).tools) == 128
    error = refusal("chat", tools=[tool(f"f{i}") for i in range(129)])
    assert error.param == "tools"
    assert "128" in error.message
    assert "129" in error.message


@pytest.mark.parametrize(
    ("tools", "path"),
    [
        ("f", "tools"),
        (["f"], "tools[0]"),
        ([{}], "tools[0].type"),
        ([{"type": "function"}], "tools[0].function"),
        ([tool(), tool("")], "tools[1].function.name"),
        ([tool(None)], "tools[0].function.name"),
        ([tool(5)], "tools[0].function.name"),
        ([tool("a b")], "tools[0].function.name"),
        ([tool("x" * 65)], "tools[0].function.name"),
        ([tool("größe")], "tools[0].function.name"),
        ([tool(description=5)], "tools[0].function.description"),
        ([tool(parameters=[])], "tools[0].function.parameters"),
        ([tool(strict=1)], "tools[0].function.strict"),
        ([tool("a"), tool("b"), tool("a")], "tools[2]"),
    ],
)
def test_refused_tools(tools: Any, path: str) -> None:
    error = refusal("chat", tools=tools)
    assert (error.param, error.code) == (path, None)


@pytest.mark.parametrize("kind", ["web_search", "code_interpreter", "custom"])
def test_tools_that_only_openai_runs(kind: str) -> None:
    error = refusal("chat", tools=[{"type": kind}])
    assert (error.param, error.code) == ("tools[0].type", "unsupported_parameter")
    assert kind in error.message


NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        (NAMED, ToolChoice("function", "f")),
    ],
)
def test_tool_choice(choice: Any, expected: ToolChoice) -> None:
    assert parsed("chat", tools=[tool()], tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("choice", "path"),
    [
        ("any", "tool_choice"),
        (5, "tool_choice"),
        ({"type": "function"}, "tool_choice"),
        ({"type": "custom", "function": {"name": "f"}}, "tool_choice"),
        ({"type": "function", "function": {"name": ""}}, "tool_choice.function.name"),
        ({"type": "function", "function": {}}, "tool_choice.function.name"),
    ],
)
def test_refused_tool_choices(choice: Any, path: str) -> None:
    assert refusal("chat", tools=[tool()], tool_choice=choice).param == path


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("parallel_tool_calls", "has_parallel_tool_calls"), ("include_reasoning", "has_reasoning")],
)
def test_flags(name: str, attribute: str) -> None:
    for value, expected in ((None, True), (True, True), ("false", False), (False, False)):
        assert getattr(parsed("chat", **{name: value}), attribute) is expected
    assert refusal("chat", **{name: "no"}).param == name


# ---- logprobs


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"logprobs": False}, None),
        ({"logprobs": "false", "top_logprobs": 0}, None),
        ({"logprobs": False, "top_logprobs": None}, None),
        ({"logprobs": True}, 0),
        ({"logprobs": "true", "top_logprobs": 0}, 0),
        ({"logprobs": True, "top_logprobs": 20}, 20),
    ],
)
def test_logprobs_of_chat(fields: dict[str, Any], expected: int | None) -> None:
    assert parsed("chat", **fields).sampling.logprobs == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logprobs": 3}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"logprobs": False, "top_logprobs": 1}, "top_logprobs"),
    ],
)
def test_refused_logprobs_of_chat(fields: dict[str, Any], param: str) -> None:
    assert refusal("chat", **fields).param == param


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), (False, None), (0, 0), (5, 5), (2.0, 2)]
)
def test_logprobs_of_completions(value: Any, expected: int | None) -> None:
    assert parsed("completions", logprobs=value).sampling.logprobs == expected


@pytest.mark.parametrize("value", [-1, 6, True, "1", 1.5])
def test_refused_logprobs_of_completions(value: Any) -> None:
    assert refusal("completions", logprobs=value).param == "logprobs"


# ---- how many answers


@pytest.mark.parametrize(
    "fields",
    [
        {"best_of": 1},
        {"best_of": 16},
        {"best_of": 4, "n": 4, "stream": True},
        {"best_of": None, "n": 4},
        # Clients send OpenAI's default along.
        {"best_of": 1, "stream": True},
        {"prompt": ["a"] * 16, "n": 16},
        {"prompt": ["a"] * 128, "best_of": 2},
    ],
)
def test_numbers_of_answers(fields: dict[str, Any]) -> None:
    parsed("completions", **fields)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"best_of": 17}, "best_of", ("17", "16")),
        ({"best_of": 0}, "best_of", ("0", "1")),
        ({"best_of": 2, "n": 3}, "best_of", ("2", "3")),
        ({"best_of": 1, "n": 4}, "best_of", ("1", "4")),
        ({"best_of": 2, "stream": True}, "best_of", ("stream",)),
        ({"prompt": ["a"] * 17, "n": 16}, "prompt", ("272", "256")),
        ({"prompt": ["a"] * 128, "best_of": 3}, "prompt", ("384", "256")),
    ],
)
def test_refused_numbers_of_answers(
    fields: dict[str, Any], param: str, words: tuple[str, ...]
) -> None:
    error = refusal("completions", **fields)
    assert error.param == param
    assert all(word in error.message for word in words)


@pytest.mark.parametrize(("value", "expected"), [(None, None), ("", None), ("b", "b")])
def test_suffix(value: Any, expected: str | None) -> None:
    assert parsed("completions", suffix=value).suffix == expected


def test_a_suffix_is_a_string() -> None:
    assert refusal("completions", suffix=5).param == "suffix"
