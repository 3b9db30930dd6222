"""`suffix`: a text between two others, for models whose entry says how to ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import END_ID, LLM, build_application, standard_configuration, token_ids
from tests.scripted_triton import (
    LLAMA_OUTPUTS,
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    model_config,
    row_message,
    sent,
)
from tests.tokenizers.cached import tokenizer

SPECIAL = tokenizer("byte_level_bpe").special_tokens
START, END = SPECIAL["<|im_start|>"], SPECIAL["<|im_end|>"]
TEMPLATE = "<|im_start|>{prefix}<|im_end|>{suffix}<|im_start|>"

Build = Callable[..., FlaskClient]


@pytest.fixture
def build(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Build:
    def made(template: str | None = TEMPLATE) -> FlaskClient:
        configuration = standard_configuration(
            triton.address, http_triton.address, llm={"fim_template": template}
        )
        return build_application(tmp_path, configuration).test_client()

    return made


def post(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/completions", json={"model": LLM, "max_tokens": 9, **body})


def prompt(triton: ScriptedTriton) -> list[int]:
    ids: list[int] = sent(triton.requests[-1])["input_ids"][1][0]
    return ids


def test_both_texts_are_put_into_the_template(build: Build, triton: ScriptedTriton) -> None:
    triton.script = Generated([*token_ids(" in"), END_ID])
    body = post(build(), prompt="A boat", suffix="the harbour").json
    before, after = token_ids("A boat"), token_ids("the harbour")
    assert prompt(triton) == [START, *before, END, *after, START]
    assert body["choices"][0]["text"] == " in"
    assert body["usage"]["prompt_tokens"] == len(prompt(triton))


def test_the_suffix_may_come_first(build: Build, triton: ScriptedTriton) -> None:
    post(build("<|im_end|>{suffix}<|im_start|>{prefix}"), prompt="a", suffix="b")
    assert prompt(triton) == [END, *token_ids("b"), START, *token_ids("a")]


def test_plain_words_of_the_template_join_the_texts(build: Build, triton: ScriptedTriton) -> None:
    post(build("{prefix} in {suffix}"), prompt="A boat", suffix="the harbour")
    assert prompt(triton) == token_ids("A boat in the harbour")


def test_control_tokens_are_the_templates_own(build: Build, triton: ScriptedTriton) -> None:
    """A typed control token is plain text, and so is a typed place of the template."""
    post(build(), prompt="<|im_end|>", suffix="{prefix}")
    ids = prompt(triton)
    assert (ids.count(START), ids.count(END)) == (2, 1)
    assert tokenizer("byte_level_bpe").decode(ids) == "<|im_end|>{prefix}"


@pytest.mark.parametrize(("before", "after"), [("", "b"), ("a", " ")])
def test_either_may_be_nearly_nothing(
    build: Build, triton: ScriptedTriton, before: str, after: str
) -> None:
    assert post(build(), prompt=before, suffix=after).status_code == 200
    assert prompt(triton) == [START, *token_ids(before), END, *token_ids(after), START]


def test_without_a_suffix_the_template_is_not_used(build: Build, triton: ScriptedTriton) -> None:
    client = build()
    for suffix in (None, ""):
        post(client, prompt="A boat", suffix=suffix)
        assert prompt(triton) == token_ids("A boat")


def test_every_prompt_has_the_suffix(build: Build, triton: ScriptedTriton) -> None:
    post(build(), prompt=["a", "b"], suffix="c", n=2)
    found = sorted(sent(call)["input_ids"][1][0] for call in triton.requests)
    one, other = ([START, *token_ids(text), END, *token_ids("c"), START] for text in "ab")
    assert found == sorted([one, one, other, other])


def test_an_echo_is_the_prompt_alone(build: Build, triton: ScriptedTriton) -> None:
    triton.script = Generated([*token_ids(" in"), END_ID])
    body = post(build(), prompt="A boat", suffix="b", echo=True).json
    assert body["choices"][0]["text"] == "A boat in"


def test_the_tokens_of_an_echo_are_the_prompts_alone(build: Build, triton: ScriptedTriton) -> None:
    outputs = {**LLAMA_OUTPUTS, "output_log_probs": "FP32"}
    triton.config = model_config(outputs=outputs)
    new = token_ids(" in")

    def script(request: Any, _: Any) -> Any:
        (ids,) = sent(request)["input_ids"][1]
        row = [*ids, *new, *[END_ID] * (9 - len(new))]
        scores = ("FP32", [[[-0.5] * 9]])
        yield row_message(row, len(ids) + len(new) + 1, output_log_probs=scores)

    triton.script = script
    body = {"prompt": "A boat", "suffix": "b", "echo": True, "logprobs": 0}
    (choice,) = post(build(), **body).json["choices"]
    assert choice["text"] == "A boat in"
    assert "".join(choice["logprobs"]["tokens"]) == "A boat in"
    num_prompt = len(token_ids("A boat"))
    assert choice["logprobs"]["token_logprobs"] == [None] * num_prompt + [-0.5] * len(new)


def test_a_model_without_a_template(build: Build, triton: ScriptedTriton) -> None:
    response = post(build(None), prompt="a", suffix="b")
    error = response.json["error"]
    assert (response.status_code, error["param"]) == (400, "suffix")
    assert error["code"] == "unsupported_parameter"
    assert triton.requests == []


def test_token_ids_have_no_place_in_a_template(build: Build) -> None:
    response = post(build(), prompt=[[40], [41]], suffix="b")
    assert (response.status_code, response.json["error"]["param"]) == (400, "prompt[0]")


def test_the_template_counts_for_the_context(build: Build, triton: ScriptedTriton) -> None:
    response = post(build(), prompt="boat " * 20, suffix="harbour " * 40)
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert triton.requests == []
