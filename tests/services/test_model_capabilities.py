"""`GET /v1/models/{id}`: what a model can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient

from tests.applications import (
    EMBEDDING,
    LLM,
    RERANKER,
    build_application,
    closed_port,
    standard_configuration,
)
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    LLAMA_INPUTS,
    LLAMA_OUTPUTS,
    ScriptedHttpTriton,
    ScriptedTriton,
    model_config,
)

Build = Callable[..., FlaskClient]


@pytest.fixture
def build(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Build:
    def made(**llm: Any) -> FlaskClient:
        configuration = standard_configuration(triton.address, http_triton.address, llm=llm)
        return build_application(tmp_path, configuration).test_client()

    return made


def told(client: FlaskClient, name: str = LLM) -> Any:
    response = client.get(f"/v1/models/{name}")
    assert response.status_code == 200
    assert response.json["id"] == name
    return response.json["capabilities"]


LLAMA = {
    "chat": True,
    "tools": False,
    "reasoning": False,
    "suffix": False,
    "chat_template_kwargs": [],
    "parameters": [
        "bad_words",
        "ignore_eos",
        "repetition_penalty",
        "seed",
        "skip_special_tokens",
        "stop_token_ids",
        "temperature",
        "top_k",
        "top_p",
    ],
    "logprobs": False,
    "scores_prompts": False,
    "max_top_logprobs": 0,
    "logit_bias": "bans",
    "beam_search": True,
    "structured_outputs": [],
}


def test_a_llama_model(build: Build) -> None:
    assert told(build()) == LLAMA


def test_more_tensors_are_more_parameters(build: Build, triton: ScriptedTriton) -> None:
    more = [
        (name, "FP32", [1], True)
        for name in ("presence_penalty", "frequency_penalty", "min_length", "len_penalty")
    ]
    outputs = {**LLAMA_OUTPUTS, "output_log_probs": "FP32"}
    triton.config = model_config([*LLAMA_INPUTS, *more], outputs=outputs)
    found = told(build())
    assert set(found["parameters"]) - set(LLAMA["parameters"]) == {
        "presence_penalty",
        "frequency_penalty",
        "min_tokens",
        "length_penalty",
    }
    assert found["logprobs"] is True


def test_fewer_tensors_are_fewer_parameters(build: Build, triton: ScriptedTriton) -> None:
    triton.config = model_config(LLAMA_INPUTS[:3])
    found = told(build())
    assert found["parameters"] == ["skip_special_tokens", "stop_token_ids"]
    assert (found["logit_bias"], found["beam_search"]) == (None, False)


def test_what_the_configuration_adds(build: Build) -> None:
    found = told(
        build(
            chat_template="qwen.jinja",
            tool_call_parser="hermes",
            reasoning_parser="qwen3",
            fim_template="{prefix}{suffix}",
            template_kwargs=["enable_thinking"],
        )
    )
    assert found["chat"] is found["tools"] is found["reasoning"] is found["suffix"] is True
    assert found["chat_template_kwargs"] == ["enable_thinking"]


def test_a_parser_without_a_template_that_shows_tools(build: Build) -> None:
    assert told(build(tool_call_parser="hermes"))["tools"] is False


def refuse_config(context: Any) -> None:
    context.abort(grpc.StatusCode.UNAVAILABLE, "Server not ready")


def test_a_triton_that_does_not_answer(build: Build, triton: ScriptedTriton) -> None:
    client = build()
    triton.before_config = refuse_config
    found = told(client)
    assert found["parameters"] is found["logprobs"] is found["structured_outputs"] is None
    assert set(found) == set(LLAMA)
    assert found["chat"] is True
    triton.before_config = lambda _: None
    wait_until(lambda: told(client) == LLAMA, "the word of a Triton that answers again")


def test_a_triton_that_is_not_there(tmp_path: Path, http_triton: ScriptedHttpTriton) -> None:
    configuration = standard_configuration(f"127.0.0.1:{closed_port()}", http_triton.address)
    found = told(build_application(tmp_path, configuration).test_client())
    assert found["parameters"] is None


def test_models_of_vectors_and_scores(build: Build) -> None:
    client = build()
    assert told(client, EMBEDDING)["token_input"] == "model_ids"
    assert told(client, RERANKER)["activation"] == "normalize"


def test_the_list_asks_no_triton(build: Build, triton: ScriptedTriton) -> None:
    models = build().get("/v1/models").json["data"]
    assert [model["id"] for model in models] == [LLM, EMBEDDING, RERANKER]
    assert triton.num_configs == 0
