"""`POST /tokenize` and `/detokenize`: vLLM's shape, for models of every task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import offload
from app.schemas.request import parse
from app.schemas.tokenization import TokenizeSchema
from app.services.tokenization import MAX_ITEMS_AT_ONCE, detokenize, tokenize
from app.types import DetokenizeRequest, TokenizeRequest
from tests.applications import EMBEDDING, LLM, MAX_LEN, RERANKER
from tests.tokenizers.cached import hub_tokenizer, tokenizer


def function(description: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "description": description}}


KINDS = {LLM: "byte_level_bpe", EMBEDDING: "wordpiece", RERANKER: "wordpiece"}
MESSAGES = [{"role": "user", "content": "a small boat"}]
RENDERED = "<|im_start|>user\na small boat<|im_end|>\n"


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


def post(client: FlaskClient, path: str = "/tokenize", **body: Any) -> Any:
    return client.post(path, json={"model": LLM, **body})


def tokens(client: FlaskClient, **body: Any) -> list[int]:
    response = post(client, **body)
    assert response.status_code == 200, response.text
    found: list[int] = response.json["tokens"]
    return found


@pytest.mark.parametrize("model", KINDS)
def test_the_shape_of_an_answer(client: FlaskClient, model: str) -> None:
    ids = tokenizer(KINDS[model]).encode("the harbour")
    assert post(client, model=model, prompt="the harbour").json == {
        "count": len(ids),
        "max_model_len": MAX_LEN if model == LLM else 32,
        "tokens": ids,
        "token_strs": None,
    }


@pytest.mark.parametrize("model", KINDS)
def test_tokens_as_the_vocabulary_writes_them(client: FlaskClient, model: str) -> None:
    body = post(client, model=model, prompt="the harbour 😊", return_token_strs=True).json
    hub = hub_tokenizer(KINDS[model])
    assert body["token_strs"] == hub.convert_ids_to_tokens(body["tokens"])


@pytest.mark.parametrize("model", [EMBEDDING, RERANKER])
def test_special_tokens_can_be_left_out(client: FlaskClient, model: str) -> None:
    whole = tokens(client, model=model, prompt="the harbour")
    assert (
        tokens(client, model=model, prompt="the harbour", add_special_tokens=False) == whole[1:-1]
    )


def test_a_prompt_is_tokenised_as_it_would_be_served(client: FlaskClient) -> None:
    """To a language model a control token's text is the token; what is embedded is text."""
    end = tokenizer("byte_level_bpe").special_tokens["<|im_end|>"]
    assert tokens(client, prompt="a<|im_end|>")[-1] == end
    separator = tokenizer("wordpiece").special_tokens["[SEP]"]
    assert tokens(client, model=EMBEDDING, prompt="a [SEP] b").count(separator) == 1


@pytest.mark.parametrize("model", KINDS)
def test_an_empty_prompt(client: FlaskClient, model: str) -> None:
    assert tokens(client, model=model, prompt="", add_special_tokens=False) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RENDERED + "<|im_start|>assistant\n"),
        ({"add_generation_prompt": False}, RENDERED),
        ({"continue_final_message": True}, RENDERED.removesuffix("<|im_end|>\n")),
    ],
)
def test_a_conversation_is_rendered(client: FlaskClient, fields: Any, expected: str) -> None:
    found = tokens(client, messages=MESSAGES, **fields)
    assert found == tokenizer("byte_level_bpe").encode(expected, add_special_tokens=False)


def test_the_tokens_are_those_that_a_chat_counts(client: FlaskClient) -> None:
    body = {"model": LLM, "messages": MESSAGES, "max_tokens": 1}
    usage = client.post("/v1/chat/completions", json=body).json["usage"]
    assert post(client, messages=MESSAGES).json["count"] == usage["prompt_tokens"]


@pytest.mark.parametrize("model", [EMBEDDING, RERANKER])
def test_a_model_without_conversations(client: FlaskClient, model: str) -> None:
    response = post(client, model=model, messages=MESSAGES)
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (400, "model_not_supported")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": MESSAGES}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "a"}]}, "messages[0].role"),
        ({"messages": MESSAGES, "tools": ["a"]}, "tools[0]"),
        ({"messages": MESSAGES, "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": MESSAGES, "chat_template_kwargs": {"x": True}}, "chat_template_kwargs.x"),
        ({"messages": MESSAGES, "chat_template": "{{ 1 }}"}, "chat_template"),
        ({"prompt": "a", "return_token_strs": "maybe"}, "return_token_strs"),
    ],
)
def test_what_is_refused(client: FlaskClient, fields: Any, param: str) -> None:
    response = post(client, **fields)
    assert (response.status_code, response.json["error"]["param"]) == (400, param)


@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_back_and_forth(client: FlaskClient, text: str) -> None:
    ids = tokens(client, prompt=text, add_special_tokens=False)
    assert post(client, "/detokenize", tokens=ids).json == {"prompt": text}


def test_control_tokens_are_part_of_the_text(client: FlaskClient) -> None:
    ids = tokens(client, messages=MESSAGES, add_generation_prompt=False)
    assert post(client, "/detokenize", tokens=ids).json == {"prompt": RENDERED}


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize(
    ("given_ids", "param"),
    [
        ([1, 10**6], "tokens"),
        ([-1], "tokens[0]"),
        ([1, "2"], "tokens[1]"),
        ([1, 2.5], "tokens[1]"),
        ("1", "tokens"),
        (None, "tokens"),
    ],
)
def test_ids_that_nobody_has(client: FlaskClient, model: str, given_ids: Any, param: str) -> None:
    response = post(client, "/detokenize", model=model, tokens=given_ids)
    assert (response.status_code, response.json["error"]["param"]) == (400, param)


LARGEST = 4 * 2**20


def test_more_than_is_tokenised(client: FlaskClient) -> None:
    response = post(client, prompt="a" * (LARGEST + 1))
    assert (response.status_code, response.json["error"]["param"]) == (400, "prompt")
    assert str(LARGEST) in response.json["error"]["message"]


def test_the_longest_prompt_is_taken() -> None:
    body = {"model": LLM, "prompt": "a" * LARGEST}
    assert len(parse(TokenizeSchema(), body).prompt) == LARGEST


@pytest.fixture
def offloaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The results of what was done away from the event loop."""
    results = []

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        results.append(function(*args, **kwargs))
        return results[-1]

    monkeypatch.setattr(offload, "run", run)
    return results


def test_a_large_answer_is_written_away_from_the_event_loop(
    app: Flask, offloaded: list[Any]
) -> None:
    """Several steps of it, the last shorter than the others."""
    model = app.extensions["openai_api"].catalogue.model(LLM)
    prompt = "the harbour 😊 " * (MAX_ITEMS_AT_ONCE // 2)
    ids = tokenizer("byte_level_bpe").encode(prompt)
    assert len(ids) > 2 * MAX_ITEMS_AT_ONCE
    answer = tokenize(model, TokenizeRequest(model=LLM, prompt=prompt, has_token_texts=True))
    assert offloaded[-1] == {name: answer[name] for name in ("tokens", "token_strs")}
    written = orjson.loads(orjson.dumps(answer))
    hub = hub_tokenizer("byte_level_bpe")
    assert written["count"] == len(ids)
    assert written["tokens"] == ids
    assert written["token_strs"] == hub.convert_ids_to_tokens(ids)
    text = detokenize(model, DetokenizeRequest(model=LLM, ids=tuple(ids)))
    assert text["prompt"] is offloaded[-1]
    assert orjson.loads(orjson.dumps(text)) == {"prompt": prompt}


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
def test_an_unknown_model(client: FlaskClient, path: str) -> None:
    response = post(client, path, model="nope", prompt="a", tokens=[1])
    assert (response.status_code, response.json["error"]["code"]) == (404, "model_not_found")
