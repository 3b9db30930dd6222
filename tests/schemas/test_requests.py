"""What the accepted forms become."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.bodies import parsed


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", ("a",)),
        ("", ("",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
        ([1.0, 2], ((1, 2),)),
    ],
)
def test_prompts(prompt: Any, expected: Any) -> None:
    assert parsed("completions", prompt=prompt).prompts == expected


@pytest.mark.parametrize("echo", [True, "true"])
def test_no_new_tokens_with_echo(echo: Any) -> None:
    assert parsed("completions", echo=echo, max_tokens=0).max_tokens == 0


MESSAGES = [
    {"role": "system", "content": "a"},
    {"role": "developer", "content": "a"},
    {"role": "user", "content": ""},
    {"role": "user", "content": "a", "name": "Ann"},
    {"role": "assistant", "content": None},
    {"role": "assistant"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "content": "a", "tool_call_id": "1"},
    {"role": "function", "name": "f", "content": "a"},
    {"role": "function", "name": "f", "content": None},
]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages(message: dict[str, Any]) -> None:
    (found,) = parsed("chat", messages=[message]).messages
    assert found == {"content": None, **message}


def test_a_call_without_arguments_has_none() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f"}}
    (found,) = parsed("chat", messages=[{"role": "assistant", "tool_calls": [call]}]).messages
    assert found["tool_calls"] == [{**call, "function": {"name": "f", "arguments": "{}"}}]


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    (message,) = parsed("chat", messages=[{"role": "user", "content": parts}]).messages
    assert message["content"] == "ab"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
    ],
)
def test_the_newer_limit_wins(fields: dict[str, Any], expected: int | None) -> None:
    assert parsed("chat", **fields).max_tokens == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ],
)
def test_inputs(given: Any, expected: Any) -> None:
    assert parsed("embeddings", input=given).inputs == expected


@pytest.mark.parametrize(
    ("fields", "is_base64"),
    [({}, False), ({"encoding_format": "float"}, False), ({"encoding_format": "base64"}, True)],
)
def test_encoding_format(fields: dict[str, Any], is_base64: bool) -> None:
    assert parsed("embeddings", **fields).is_base64 is is_base64


def test_documents_are_strings_or_objects() -> None:
    documents = ["a", {"text": "b", "title": "x"}, ""]
    assert parsed("rerank", documents=documents).documents == ("a", "b", "")


@pytest.mark.parametrize(
    ("top_n", "expected"), [(3, 3), ("3", 3), (3.0, 3), ("007", 7), (None, None), (10**6, 10**6)]
)
def test_top_n(top_n: Any, expected: int | None) -> None:
    assert parsed("rerank", top_n=top_n).top_n == expected


@pytest.mark.parametrize(("given", "expected"), [(True, True), ("true", True), (None, False)])
def test_return_documents(given: Any, expected: bool) -> None:
    assert parsed("rerank", return_documents=given).return_documents is expected


@pytest.mark.parametrize("encoding_format", ["float", "base64", None])
def test_rerank_accepts_encoding_format(encoding_format: Any) -> None:
    parsed("rerank", encoding_format=encoding_format)
