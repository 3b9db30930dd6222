"""Random requests to TensorRT-LLM's and vLLM's contracts: streams are their whole answers."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.triton import TritonServer
from tests.live.contracts import TEXT_MODELS
from tests.live.language_models import (
    CHAT,
    COMPLETIONS,
    UNBROKEN,
    as_streamed,
    chat,
    completion,
    serve,
    streamed,
    whole,
)


@pytest.fixture(scope="module")
def served(tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return serve(tritonserver, tmp_path_factory.mktemp("language-models"))


# The demo's tokens for ",", "7", " a", " the", " and", and one that hardly ever comes.
STOP_TOKENS = st.lists(st.sampled_from([15, 26, 265, 281, 305, 900]), min_size=1, max_size=2)
FIELDS: dict[str, Any] = {
    "stop": st.lists(
        st.sampled_from([",", " the", "a", ". ", "Emma", "7"]), min_size=1, max_size=2
    ),
    "stop_token_ids": STOP_TOKENS,
    "min_tokens": st.integers(1, 12),
    "n": st.integers(1, 2),
    "include_stop_str_in_output": st.booleans(),
    "ignore_eos": st.booleans(),
    "frequency_penalty": st.sampled_from([0.0, 0.5]),
    "logprobs": st.just(True),
    "echo": st.just(True),
}
CHANCE = st.one_of(
    st.just({"temperature": 0}),
    st.fixed_dictionaries({"temperature": st.floats(0.5, 1.5), "seed": st.integers(0, 9)}),
)
# Those that know all fields.
KNOWN = [name for name in UNBROKEN if name not in ("trt-llm-v05", "vllm-2310")]


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A path and a body that the model takes."""
    model, path = draw(st.sampled_from(KNOWN)), draw(st.sampled_from([CHAT, COMPLETIONS]))
    others = {"echo"} if path == CHAT else set()
    others |= {"logprobs"} if model in TEXT_MODELS else set()
    optional = {name: values for name, values in FIELDS.items() if name not in others}
    limit = {"max_tokens": st.integers(1, 16)}
    fields = draw(st.fixed_dictionaries(limit, optional=optional))
    fields["max_tokens"] += fields.get("min_tokens", 0)
    if path == COMPLETIONS and "logprobs" in fields:
        fields["logprobs"] = 0
    question = draw(st.sampled_from(["What is 3 + 4?", "Tell me a story.", "你好！😊"]))
    body = chat(model, question) if path == CHAT else completion(model)
    return path, {**body, **fields, **draw(CHANCE)}


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(asked=requests())
def test_a_stream_adds_up_to_the_whole_answer(
    served: FlaskClient, asked: tuple[str, dict[str, Any]]
) -> None:
    path, body = asked
    answer = whole(served, path, body)
    assert streamed(served, path, body) == as_streamed(answer)
    tokens = answer["usage"]["completion_tokens"]
    count = body.get("n", 1)
    assert count * body.get("min_tokens", 0) <= tokens <= count * body["max_tokens"]
    for choice in answer["choices"]:
        assert choice["finish_reason"] in ("stop", "length")
        assert not body.get("echo") or choice["text"].startswith(body["prompt"])
        assert (choice["logprobs"] is not None) is ("logprobs" in body)
