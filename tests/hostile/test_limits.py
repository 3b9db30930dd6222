"""Every limit of a request at the limit and at one more.

One more is refused with the field's name, in a short message, before anything is tokenised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from app.errors import InvalidRequest
from app.schemas.anthropic_messages import AnthropicMessagesSchema
from app.schemas.chat import ChatSchema
from app.schemas.completions import CompletionSchema
from app.schemas.embed_v2 import EmbedV2Schema
from app.schemas.embeddings import EmbeddingSchema
from app.schemas.request import RequestSchema, parse
from app.schemas.rerank import RerankSchema, TextsRerankSchema
from app.schemas.responses import ResponsesSchema
from app.schemas.score import ScoreSchema
from app.schemas.tokenization import DetokenizeSchema, TokenizeSchema
from app.services.input_checks import MAX_CHARACTERS_PER_TOKEN
from tests.applications import LLM, MAX_LEN
from tests.scripted_triton import ScriptedTriton

USER = {"role": "user", "content": "a"}
BODIES: dict[RequestSchema, dict[str, Any]] = {
    (CHAT := ChatSchema()): {"messages": [USER]},
    (COMPLETION := CompletionSchema()): {"prompt": "a"},
    (RESPONSES := ResponsesSchema()): {"input": "a"},
    (ANTHROPIC := AnthropicMessagesSchema()): {"messages": [USER], "max_tokens": 1},
    (EMBEDDING := EmbeddingSchema()): {"input": "a"},
    (EMBED_V2 := EmbedV2Schema()): {"texts": ["a"]},
    (RERANK := RerankSchema()): {"query": "a", "documents": ["a"]},
    (TEXTS := TextsRerankSchema()): {"query": "a", "texts": ["a"]},
    (SCORE := ScoreSchema()): {"text_1": "a", "text_2": "a"},
    (TOKENIZE := TokenizeSchema()): {"messages": [USER]},
    (DETOKENIZE := DetokenizeSchema()): {"tokens": [1]},
}
Make = Callable[[int], Any]


def parts(count: int, kind: str = "text") -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": kind, "text": "a"}] * count}]


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "", "parameters": {}, **more}


def tools(count: int) -> list[dict[str, Any]]:
    return [{"type": "function", "function": function(f"f{n}")} for n in range(count)]


def flat_tools(count: int) -> list[dict[str, Any]]:
    return [{"type": "function", **tool["function"]} for tool in tools(count)]


def anthropic_tools(count: int) -> list[dict[str, Any]]:
    return [{"name": f"f{n}", "input_schema": {"type": "object"}} for n in range(count)]


def tools_of(size: int) -> list[dict[str, Any]]:
    """One tool that is `size` bytes of JSON."""
    tool = [{"type": "function", "function": function("f")}]
    tool[0]["function"]["description"] = "x" * (size - len(orjson.dumps(tool)))
    return tool


def calls(count: int) -> list[dict[str, Any]]:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [USER, {"role": "assistant", "content": None, "tool_calls": [call] * count}]


def texts(count: int) -> list[str]:
    return ["a"] * count


def number(value: int) -> int:
    return value


# Schema, field, what it holds for a number, the largest number, and what the refusal names.
LIMITS: list[tuple[RequestSchema, str, Make, int, str]] = [
    *((schema, "model", lambda n: "m" * n, 256, "model") for schema in BODIES),
    *(
        (schema, "messages", lambda n: [USER] * n, 2048, "messages")
        for schema in (CHAT, ANTHROPIC, TOKENIZE)
    ),
    (RESPONSES, "input", lambda n: [USER] * n, 2048, "input"),
    *(
        (schema, "messages", parts, 256, "messages[0].content")
        for schema in (CHAT, ANTHROPIC, TOKENIZE)
    ),
    (RESPONSES, "input", lambda n: parts(n, "input_text"), 256, "input[0].content"),
    (CHAT, "messages", calls, 256, "messages[1].tool_calls"),
    (CHAT, "documents", lambda n: [{}] * n, 256, "documents"),
    *((schema, "tools", tools, 128, "tools") for schema in (CHAT, TOKENIZE)),
    (RESPONSES, "tools", flat_tools, 128, "tools"),
    (ANTHROPIC, "tools", anthropic_tools, 128, "tools"),
    *((schema, "tools", tools_of, 2**18, "tools") for schema in (CHAT, TOKENIZE)),
    (
        CHAT,
        "tools",
        lambda n: [{"type": "function", "function": function("f" * n)}],
        64,
        "tools[0].function.name",
    ),
    (CHAT, "top_logprobs", number, 20, "top_logprobs"),
    (COMPLETION, "logprobs", number, 5, "logprobs"),
    (COMPLETION, "prompt", texts, 128, "prompt"),
    (COMPLETION, "prompt", lambda n: [[1]] * n, 128, "prompt"),
    (COMPLETION, "prompt", lambda n: [1] * n, 2**20, "prompt"),
    (COMPLETION, "prompt", lambda n: [n], 2**31 - 1, "prompt[0]"),
    (COMPLETION, "best_of", number, 16, "best_of"),
    *(
        limit
        for schema in (CHAT, COMPLETION)
        for limit in (
            (schema, "n", number, 16, "n"),
            (schema, "stop", texts, 16, "stop"),
            (schema, "stop", lambda n: "a" * n, 256, "stop"),
            (schema, "stop", lambda n: ["a" * n], 256, "stop[0]"),
            (schema, "stop_token_ids", lambda n: [1] * n, 256, "stop_token_ids"),
            (schema, "bad_words", texts, 256, "bad_words"),
            (schema, "bad_words", lambda n: ["a" * n], 256, "bad_words[0]"),
            (schema, "logit_bias", lambda n: {str(i): 1 for i in range(n)}, 300, "logit_bias"),
            (schema, "logit_bias", lambda n: {"5": n}, 100, "logit_bias.5"),
            (schema, "max_tokens", number, 2**31 - 1, "max_tokens"),
            (schema, "seed", number, 2**64 - 1, "seed"),
            (schema, "top_k", number, 2**31 - 1, "top_k"),
            (schema, "beam_width", number, 32, "beam_width"),
            (schema, "guided_regex", lambda n: "a" * n, 2**16, "guided_regex"),
            (schema, "guided_grammar", lambda n: "a" * n, 2**16, "guided_grammar"),
            (schema, "guided_choice", texts, 1024, "guided_choice"),
            (schema, "guided_choice", lambda n: ["a" * n], 1024, "guided_choice[0]"),
            (schema, "guided_json", lambda n: {"a": "x" * (n - 8)}, 2**16, "guided_json"),
        )
    ),
    (RESPONSES, "stop", texts, 16, "stop"),
    (ANTHROPIC, "stop_sequences", texts, 16, "stop_sequences"),
    (EMBEDDING, "input", texts, 2048, "input"),
    (EMBEDDING, "input", lambda n: [[1]] * n, 2048, "input"),
    (EMBEDDING, "dimensions", number, 2**31 - 1, "dimensions"),
    (EMBED_V2, "texts", texts, 2048, "texts"),
    (RERANK, "documents", texts, 1024, "documents"),
    (TEXTS, "texts", texts, 1024, "texts"),
    (SCORE, "text_2", texts, 1024, "text_2"),
    (DETOKENIZE, "tokens", lambda n: [1] * n, 2**20, "tokens"),
]
# What some fields need beside them.
BESIDE = {"top_logprobs": {"logprobs": True}}


def names(limit: tuple[RequestSchema, str, Make, int, str]) -> str:
    return f"{type(limit[0]).__name__}-{limit[1]}-{limit[3]}"


@pytest.mark.parametrize("limit", LIMITS, ids=names)
def test_the_limit_and_one_more(limit: tuple[RequestSchema, str, Make, int, str]) -> None:
    schema, field, make, most, param = limit
    body = {"model": "m", **BODIES[schema], **BESIDE.get(field, {})}
    parse(schema, {**body, field: make(most)})
    with pytest.raises(InvalidRequest) as caught:
        parse(schema, {**body, field: make(most + 1)})
    assert caught.value.param == param
    assert len(orjson.dumps(caught.value.as_dict())) <= 4096


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


LONGEST = MAX_LEN * MAX_CHARACTERS_PER_TOKEN
TEXTS_OF: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "prompt": lambda text: ("/v1/completions", {"prompt": text}),
    "prompt[1]": lambda text: ("/v1/completions", {"prompt": ["a", text]}),
    "messages": lambda text: ("/v1/chat/completions", {"messages": [{**USER, "content": text}]}),
    "input": lambda text: ("/v1/responses", {"input": text}),
}


@pytest.mark.parametrize("param", TEXTS_OF)
@pytest.mark.parametrize("character", ["a", " ", "7", "🙂"])
def test_too_long_a_text_is_refused_before_it_is_tokenised(
    client: FlaskClient,
    triton: ScriptedTriton,
    monkeypatch: pytest.MonkeyPatch,
    param: str,
    character: str,
) -> None:
    from app.prompting.fast_codec import FastCodec

    tokenised: list[str] = []
    encode = FastCodec.encode

    def noted(self: FastCodec, text: str) -> list[int]:
        tokenised.append(text)
        return encode(self, text)

    monkeypatch.setattr(FastCodec, "encode", noted)
    path, fields = TEXTS_OF[param](character * (LONGEST + 1))
    response = client.post(path, json={"model": LLM, **fields})
    assert response.status_code == 400
    error = response.json["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", param)
    assert all(len(text) < LONGEST for text in tokenised)
    assert not triton.requests


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 4000, "-1" + "0" * 4000]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("field", ["n", "temperature", "seed", "max_tokens", "logit_bias"])
def test_numbers_that_nobody_can_hold(client: FlaskClient, field: str, value: str) -> None:
    given = f'{{"5": {value}}}' if field == "logit_bias" else value
    body = f'{{"model": "{LLM}", "prompt": "a", "{field}": {given}}}'
    response = client.post("/v1/completions", data=body, content_type="application/json")
    assert response.status_code == 400
    assert len(response.data) <= 4096


def test_minus_zero_is_zero(client: FlaskClient, triton: ScriptedTriton) -> None:
    body = f'{{"model": "{LLM}", "prompt": "a", "temperature": -0.0, "presence_penalty": -0.0}}'
    response = client.post("/v1/completions", data=body, content_type="application/json")
    assert response.status_code == 200
    (request,) = triton.requests
    assert b"\x00\x00\x00\x80" not in list(request.raw_input_contents)
