"""Ranges and types of what completions and chat share."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRequest
from tests.schemas.bodies import GENERATING, parsed, refusal

SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "seed")


def found(endpoint: str, name: str, value: Any) -> Any:
    request = parsed(endpoint, **{name: value})
    return getattr(request.sampling if name in SAMPLING else request, name)


ALLOWED = [
    ("temperature", 0, 0),
    ("temperature", 2, 2),
    ("temperature", 0.7, 0.7),
    ("temperature", None, None),
    ("top_p", 0, 0),
    ("top_p", 1, 1),
    ("top_p", None, None),
    ("top_k", -1, -1),
    ("top_k", 0, 0),
    ("top_k", 1024, 1024),
    ("top_k", 41.0, 41),
    ("top_k", None, None),
    ("repetition_penalty", 0.0001, 0.0001),
    ("repetition_penalty", 1, 1),
    ("repetition_penalty", 50.5, 50.5),
    ("seed", 0, 0),
    ("seed", -(2**63), -(2**63)),
    ("seed", 2**64 - 1, 2**64 - 1),
    ("seed", 41.0, 41),
    ("max_tokens", 1, 1),
    ("max_tokens", 41.0, 41),
    ("max_tokens", None, None),
    ("stop", "x", ("x",)),
    ("stop", ["x"] * 16, ("x",) * 16),
    ("stop", "x" * 256, ("x" * 256,)),
    ("stop", [], ()),
    ("stop", None, ()),
    ("stop", ["\n", " "], ("\n", " ")),
    ("stream", True, True),
    ("stream", False, False),
    ("stream", "true", True),
    ("stream", "false", False),
    ("stream", None, False),
]


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(("name", "value", "expected"), ALLOWED)
def test_allowed_values(endpoint: str, name: str, value: Any, expected: Any) -> None:
    result = found(endpoint, name, value)
    assert result == expected
    assert type(result) is type(expected) or isinstance(expected, (int, float))


REFUSED = [
    ("temperature", -0.01),
    ("temperature", 2.01),
    ("temperature", "0.7"),
    ("temperature", True),
    ("temperature", [1]),
    ("top_p", -0.1),
    ("top_p", 1.1),
    ("top_p", "1"),
    ("top_k", -2),
    ("top_k", 41.5),
    ("top_k", "5"),
    ("top_k", True),
    ("top_k", 2**31),
    ("repetition_penalty", 0),
    ("repetition_penalty", -1),
    ("repetition_penalty", "1"),
    ("seed", 2**64),
    ("seed", -(2**63) - 1),
    ("seed", 1.5),
    ("seed", True),
    ("seed", "7"),
    ("max_tokens", 0),
    ("max_tokens", -1),
    ("max_tokens", 41.5),
    ("max_tokens", "5"),
    ("max_tokens", True),
    ("max_tokens", 2**31),
    ("stop", ["x"] * 17),
    ("stop", "x" * 257),
    ("stop", ""),
    ("stop", 5),
    ("stop", {"a": 1}),
    ("stream", 1),
    ("stream", 0),
    ("stream", "yes"),
    ("stream", "on"),
    ("stream", ""),
    ("stream", []),
    ("stream_options", "x"),
    ("stream_options", []),
]


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_values_are_named(endpoint: str, name: str, value: Any) -> None:
    assert refusal(endpoint, **{name: value}).param == name


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k", "repetition_penalty", "seed"])
def test_numbers_that_are_none(endpoint: str, name: str, value: float) -> None:
    assert refusal(endpoint, **{name: value}).param == name


@pytest.mark.parametrize(("value", "path"), [(["x", ""], "stop[1]"), (["x", 5], "stop[1]")])
def test_a_stop_string_is_named_by_its_place(value: Any, path: str) -> None:
    assert refusal("chat", stop=value).param == path


@pytest.mark.parametrize(
    ("name", "value", "given", "allowed"),
    [
        ("temperature", 2.5, "2.5", ("0", "2")),
        ("temperature", "hot", '"hot"', ("number", "0", "2")),
        ("max_tokens", 41.5, "41.5", ("integer", "1")),
        ("stream", "yes", '"yes"', ("true", "false")),
        ("top_k", True, "true", ("integer", "-1")),
        ("stop", ["x"] * 17, "17", ("16",)),
        ("stop", "x" * 300, "300", ("256",)),
        ("repetition_penalty", 0, "0", ("above 0",)),
    ],
)
def test_messages_say_what_was_given_and_what_is_allowed(
    name: str, value: Any, given: str, allowed: tuple[str, ...]
) -> None:
    message = refusal("chat", **{name: value}).message
    assert name in message
    assert given in message
    assert all(word in message for word in allowed)


# ---- stream_options


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (False, False)),
        (None, (False, False)),
        ({"include_usage": True}, (True, False)),
        ({"include_usage": "true"}, (True, False)),
        ({"include_usage": None}, (False, False)),
        ({"include_usage": True, "continuous_usage_stats": True}, (True, True)),
        ({"include_obfuscation": False}, (False, False)),
    ],
)
def test_stream_options(endpoint: str, options: Any, expected: tuple[bool, bool]) -> None:
    request = parsed(endpoint, stream=True, stream_options=options)
    assert (request.include_usage, request.continuous_usage) == expected


@pytest.mark.parametrize("name", ["include_usage", "continuous_usage_stats"])
@pytest.mark.parametrize("value", [1, 0, "yes", "", [], {}])
def test_stream_options_are_booleans(name: str, value: Any) -> None:
    error = refusal("chat", stream=True, stream_options={name: value})
    assert error.param == f"stream_options.{name}"


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize("stream", [False, None, "false"])
def test_stream_options_without_a_stream(endpoint: str, stream: Any) -> None:
    error = refusal(endpoint, stream=stream, stream_options={"include_usage": True})
    assert error.param == "stream_options"


# ---- whatever is sent, the answer is a request or a 400 that names a field

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NAMES = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "max_tokens",
    "n",
    "logprobs",
    "logit_bias",
    "response_format",
    "tools",
    "documents",
    "messages",
    "prompt",
    "chat_template_kwargs",
    "echo",
    "max_completion_tokens",
)


@pytest.mark.parametrize("endpoint", GENERATING)
@given(st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1, max_size=3))
def test_any_json_is_a_request_or_a_400(endpoint: str, fields: dict[str, Any]) -> None:
    outcome = refused(endpoint, fields)
    assert outcome is None or (outcome.status == 400 and outcome.param)


def refused(endpoint: str, fields: dict[str, Any]) -> InvalidRequest | None:
    try:
        parsed(endpoint, **fields)
    except InvalidRequest as error:
        return error
    return None
