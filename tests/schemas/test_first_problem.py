"""Which of several problems is told, and where it is."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from app.errors import InvalidRequest
from tests.schemas.bodies import BODIES, parsed, parsed_body, refusal

SUBJECTS = {
    "completions": ["prompt"],
    "chat": ["messages"],
    "embeddings": ["input"],
    "rerank": ["query", "documents"],
}


@pytest.mark.parametrize("endpoint", SUBJECTS)
def test_the_model_comes_before_everything(endpoint: str) -> None:
    bad = dict.fromkeys(SUBJECTS[endpoint], 5)
    assert refusal(endpoint, **bad, model=5, stream="x", top_n="x", dimensions="x").param == "model"


@pytest.mark.parametrize("endpoint", SUBJECTS)
def test_then_what_the_request_is_about(endpoint: str) -> None:
    bad = dict.fromkeys(SUBJECTS[endpoint], 5)
    error = refusal(endpoint, **bad, temperature="x", top_n="x", dimensions="x")
    assert error.param == SUBJECTS[endpoint][0]


# The order of the properties of CreateCompletionRequest in OpenAI's document.
OPENAI_ORDER = (
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
)


@pytest.mark.parametrize(("first", "second"), list(pairwise(OPENAI_ORDER)))
def test_then_the_order_of_openais_schema(first: str, second: str) -> None:
    bad = {name: 5 if name == "suffix" else "bad" * 300 for name in (first, second)}
    assert refusal("completions", **{second: bad[second], first: bad[first]}).param == first


@pytest.mark.parametrize("endpoint", SUBJECTS)
def test_the_order_of_the_body_does_not_matter(endpoint: str) -> None:
    subject = SUBJECTS[endpoint][0]
    assert refusal(endpoint, **{"temperature": "x", "top_n": "x", subject: 5}).param == subject


@pytest.mark.parametrize(
    ("endpoint", "name"), [(endpoint, name) for endpoint in BODIES for name in BODIES[endpoint]]
)
@pytest.mark.parametrize("is_null", [True, False])
def test_required_fields(endpoint: str, name: str, is_null: bool) -> None:
    body: dict[str, Any] = {key: value for key, value in BODIES[endpoint].items() if key != name}
    if is_null:
        body[name] = None
    with pytest.raises(InvalidRequest) as caught:
        parsed_body(endpoint, body)
    assert caught.value.param == name


PATHS: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"messages": [{"role": "user", "content": "a"}, 5]}, "messages[1]"),
    ("chat", {"messages": [{"content": "a"}]}, "messages[0].role"),
    ("chat", {"messages": [{"role": "king", "content": "a"}]}, "messages[0].role"),
    ("chat", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("chat", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ("chat", {"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ("chat", {"messages": [{"role": "user", "content": ["a"]}]}, "messages[0].content[0]"),
    (
        "chat",
        {
            "messages": [
                {"role": "system", "content": "a"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            ]
        },
        "messages[1].content[0].type",
    ),
    (
        "chat",
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
    ),
    (
        "chat",
        {"messages": [{"role": "assistant", "content": None, "tool_calls": "x"}]},
        "messages[0].tool_calls",
    ),
    (
        "chat",
        {"messages": [{"role": "tool", "content": "a", "tool_call_id": 5}]},
        "messages[0].tool_call_id",
    ),
    ("chat", {"chat_template_kwargs": {"a": 5}}, "chat_template_kwargs.a"),
    ("chat", {"chat_template_kwargs": {"a": "x" * 257}}, "chat_template_kwargs.a"),
    ("chat", {"documents": [{"text": "a"}, "b"]}, "documents[1]"),
    ("completions", {"prompt": ["a", 5]}, "prompt[1]"),
    ("completions", {"prompt": [[1], "a"]}, "prompt[1]"),
    ("completions", {"prompt": [[1], [2, -1]]}, "prompt[1][1]"),
    ("completions", {"prompt": [[1], []]}, "prompt[1]"),
    ("completions", {"prompt": [1, "a"]}, "prompt[1]"),
    ("completions", {"prompt": [1, 2.5]}, "prompt[1]"),
    ("completions", {"prompt": [True]}, "prompt[0]"),
    ("completions", {"prompt": []}, "prompt"),
    ("completions", {"prompt": [None]}, "prompt[0]"),
    ("completions", {"prompt": {"a": 1}}, "prompt"),
    ("completions", {"max_tokens": 0}, "max_tokens"),
    ("embeddings", {"input": ""}, "input"),
    ("embeddings", {"input": []}, "input"),
    ("embeddings", {"input": ["a", ""]}, "input[1]"),
    ("embeddings", {"input": ["a", [1]]}, "input[1]"),
    ("embeddings", {"input": [[]]}, "input[0]"),
    ("embeddings", {"dimensions": 0}, "dimensions"),
    ("embeddings", {"dimensions": "5"}, "dimensions"),
    ("embeddings", {"dimensions": 1.5}, "dimensions"),
    ("embeddings", {"encoding_format": "binary"}, "encoding_format"),
    ("embeddings", {"truncate": "left"}, "truncate"),
    ("rerank", {"query": ""}, "query"),
    ("rerank", {"query": 5}, "query"),
    ("rerank", {"documents": []}, "documents"),
    ("rerank", {"documents": "a"}, "documents"),
    ("rerank", {"documents": ["a", 5]}, "documents[1]"),
    ("rerank", {"documents": [{"title": "a"}]}, "documents[0]"),
    ("rerank", {"documents": [{"text": 5}]}, "documents[0]"),
    ("rerank", {"top_n": 0}, "top_n"),
    ("rerank", {"top_n": -1}, "top_n"),
    ("rerank", {"top_n": "0"}, "top_n"),
    ("rerank", {"top_n": "x"}, "top_n"),
    ("rerank", {"top_n": "٣"}, "top_n"),
    ("rerank", {"top_n": "1_0"}, "top_n"),
    ("rerank", {"top_n": 1.5}, "top_n"),
    ("rerank", {"top_n": True}, "top_n"),
    ("rerank", {"return_documents": 1}, "return_documents"),
]


@pytest.mark.parametrize(("endpoint", "fields", "path"), PATHS)
def test_param_is_the_path(endpoint: str, fields: dict[str, Any], path: str) -> None:
    error = refusal(endpoint, **fields)
    assert error.param == path
    assert error.message.startswith(path)


def test_an_image_is_unsupported_and_named() -> None:
    part = {"type": "image_url", "image_url": {"url": "http://x"}}
    error = refusal("chat", messages=[{"role": "user", "content": [part]}])
    assert error.code == "unsupported_parameter"
    assert "image_url" in error.message


HUGE = "x" * 10**6
LARGE: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"temperature": HUGE}),
    ("chat", {"messages": [{"role": HUGE, "content": "a"}]}),
    ("chat", {"messages": [HUGE]}),
    ("chat", {"messages": [5] * 200_000}),
    ("chat", {"chat_template_kwargs": {HUGE: 5}}),
    ("chat", {"chat_template_kwargs": {"a": HUGE}}),
    ("chat", {"stop": [HUGE]}),
    ("chat", {"stop": ["x"] * 200_000}),
    ("chat", {"response_format": {HUGE: HUGE}}),
    ("chat", {"logit_bias": {str(index): 1 for index in range(10**5)}}),
    ("completions", {"prompt": [[-1]] * 128}),
    ("completions", {"prompt": [HUGE] * 129}),
    ("completions", {"prompt": [1] * 10**6 + ["x"]}),
    ("embeddings", {"input": ["a"] * 2049}),
    ("embeddings", {"encoding_format": HUGE}),
    ("rerank", {"documents": [5] * 200_000}),
    ("rerank", {"top_n": "9" * 10**6}),
    ("rerank", {"model": HUGE}),
]


@pytest.mark.parametrize(("endpoint", "fields"), LARGE, ids=range(len(LARGE)))
def test_huge_requests_have_small_errors(endpoint: str, fields: dict[str, Any]) -> None:
    refusal(endpoint, **fields)


LIMITS: list[tuple[str, str, Any, Any]] = [
    ("completions", "prompt", ["a"] * 128, ["a"] * 129),
    ("completions", "model", "m" * 256, "m" * 257),
    (
        "chat",
        "messages",
        [{"role": "user", "content": "a"}] * 2048,
        [{"role": "user", "content": "a"}] * 2049,
    ),
    ("embeddings", "input", ["a"] * 2048, ["a"] * 2049),
    ("embeddings", "input", [[1]] * 2048, [[1]] * 2049),
    ("rerank", "documents", ["a"] * 1024, ["a"] * 1025),
]


@pytest.mark.parametrize(("endpoint", "name", "most", "too_many"), LIMITS)
def test_the_limit_and_one_more(endpoint: str, name: str, most: Any, too_many: Any) -> None:
    parsed(endpoint, **{name: most})
    assert refusal(endpoint, **{name: too_many}).param == name


def test_256_parts_and_one_more() -> None:
    part = {"type": "text", "text": "a"}
    message = {"role": "user", "content": [part] * 256}
    assert parsed("chat", messages=[message]).messages[0]["content"] == "a" * 256
    error = refusal("chat", messages=[{"role": "user", "content": [part] * 257}])
    assert error.param == "messages[0].content"
