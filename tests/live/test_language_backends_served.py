"""The application in front of TensorRT-LLM's and vLLM's contracts: OpenAI's answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient

from demo.triton import TritonServer
from tests.live.contracts import WHOLE_MODELS
from tests.live.language_models import (
    CHAT,
    COMPLETIONS,
    OTHERS,
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


@pytest.fixture(scope="module")
def demos(served: FlaskClient) -> Callable[[str], Any]:
    """The demo's own whole answer to a text, that all others' are compared with."""
    return cache(lambda text: whole(served, CHAT, chat("demo-chat", text)))


def refused(served: FlaskClient, path: str, body: dict[str, Any]) -> Any:
    response = served.post(path, json=body)
    assert response.status_code == 400, response.get_data(as_text=True)
    return response.get_json()["error"]


@pytest.mark.parametrize("text", ["What is 3 + 4?", "你好！😊", "Tell me a story."])
@pytest.mark.parametrize("model", UNBROKEN)
def test_all_answer_what_the_demo_answers(
    served: FlaskClient, demos: Callable[[str], Any], model: str, text: str
) -> None:
    expected = demos(text)
    found = whole(served, CHAT, chat(model, text))
    assert found["choices"] == expected["choices"]
    assert found["usage"] == expected["usage"]
    assert streamed(served, CHAT, chat(model, text)) == as_streamed(expected)


@pytest.mark.parametrize("model", OTHERS)
def test_a_stop_string_ends_the_text(served: FlaskClient, model: str) -> None:
    body = {"stop": ["7"]}
    expected = whole(served, CHAT, chat("demo-chat", **body))
    found = whole(served, CHAT, chat(model, **body))
    assert found["choices"] == expected["choices"]
    assert found["choices"][0]["stop_reason"] == "7"
    assert found["usage"] == expected["usage"]


WHOLE_ANSWERS = {
    "usage": {},
    "stop string": {"stop": ["7"]},
    "stop string behind the least tokens": {"stop": ["7"], "min_tokens": 3},
    "stop string within the least tokens": {"stop": ["7"], "min_tokens": 9, "ignore_eos": True},
}


@pytest.mark.parametrize("kind", WHOLE_ANSWERS)
@pytest.mark.parametrize("model", WHOLE_MODELS)
def test_an_answer_in_one_message_is_that_of_a_stream(
    served: FlaskClient, model: str, kind: str
) -> None:
    body = {"max_tokens": 24, **WHOLE_ANSWERS[kind]}
    other = model.removesuffix("-plain")
    expected = whole(served, CHAT, chat(other, **body))
    found = whole(served, CHAT, chat(model, **body))
    assert found["choices"] == expected["choices"]
    assert found["usage"] == expected["usage"]
    assert streamed(served, CHAT, chat(model, **body)) == as_streamed(expected)


@pytest.mark.parametrize("model", ["trt-llm", "trt-llm-plain", "trt-llm-v020", "vllm"])
def test_logprobs_of_a_chat(served: FlaskClient, model: str) -> None:
    body = {"logprobs": True}
    expected = whole(served, CHAT, chat("demo-chat", **body))["choices"][0]["logprobs"]["content"]
    found = whole(served, CHAT, chat(model, **body))["choices"][0]["logprobs"]["content"]
    assert [entry["token"] for entry in found] == [entry["token"] for entry in expected]
    for entry, other in zip(found, expected, strict=True):
        assert entry["logprob"] == pytest.approx(other["logprob"], abs=1e-3)


@pytest.mark.parametrize("model", ["trt-llm-v020", "vllm"])
def test_a_schema_is_kept(served: FlaskClient, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
    }
    asked = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    found = whole(served, CHAT, chat(model, response_format=asked, max_tokens=60))
    assert set(json.loads(found["choices"][0]["message"]["content"])) == {"sum"}


REFUSED = [
    ("trt-llm", {"response_format": {"type": "json_object"}}, "response_format"),
    ("trt-llm", {"logprobs": True, "top_logprobs": 2}, "top_logprobs"),
    ("trt-llm-v05", {"logit_bias": {"5": -100}}, "logit_bias"),
    ("trt-bls", {"logprobs": True}, "logprobs"),
    ("trt-bls", {"skip_special_tokens": False}, "skip_special_tokens"),
    ("trt-ensemble", {"logit_bias": {"5": -100}}, "logit_bias"),
    ("vllm", {"logit_bias": {"5": 5}}, "logit_bias"),
    ("vllm-2310", {"temperature": 1, "seed": 5}, "seed"),
]


@pytest.mark.parametrize(("model", "fields", "param"), REFUSED)
def test_what_a_model_cannot_do_is_refused(
    served: FlaskClient, model: str, fields: dict[str, Any], param: str
) -> None:
    error = refused(served, CHAT, chat(model, **fields))
    assert (error["param"], error["code"]) == (param, "unsupported_parameter")


# Neither contract's grammar knows it, though some engines do.
UNREADABLE = r"\p{L}+"


@pytest.mark.parametrize("pattern", [UNREADABLE, "(a"])
@pytest.mark.parametrize("model", ["trt-llm-v020", "trt-bls", "vllm"])
def test_a_pattern_that_the_engine_cannot_read_is_the_clients(
    served: FlaskClient, model: str, pattern: str
) -> None:
    error = refused(served, CHAT, chat(model, guided_regex=pattern))
    assert error["param"] == "guided_regex"


@pytest.mark.parametrize("model", ["trt-llm", "trt-llm-v020", "trt-bls", "trt-ensemble-plain"])
def test_more_beams_than_the_engine_has_are_refused(served: FlaskClient, model: str) -> None:
    error = refused(served, COMPLETIONS, completion(model, use_beam_search=True, n=2))
    assert (error["param"], error["code"]) == ("use_beam_search", "unsupported_parameter")
    assert "built for 1 beam, and 2 were asked for" in error["message"]


def test_a_typed_control_token_is_refused_where_it_would_be_one(served: FlaskClient) -> None:
    error = refused(served, CHAT, chat("vllm", "say <|im_end|> now"))
    assert 'the control token "<|im_end|>"' in error["message"]
    assert error["param"] == "messages"
    whole(served, CHAT, chat("trt-llm", "say <|im_end|> now"))
