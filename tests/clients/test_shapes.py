"""Real answers against openai-python's own types, and against OpenAI's published document."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.live.http import Server

MODEL = "demo-chat"
# The document is not part of the project; a clone without it runs the other checks alone.
DOCUMENT = Path(__file__).parents[3] / "shared" / "openai-openapi-subset.json"
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "你好"}]}
COMPLETION: dict[str, Any] = {"model": MODEL, "prompt": ["Once", "One day"], "max_tokens": 9}
EMBEDDING: dict[str, Any] = {"model": "all-minilm-l6-v2", "input": ["a", "b"]}


@pytest.fixture(scope="module")
def answers(gateway: Server) -> dict[str, list[Any]]:
    """Real answers by the name of their schema in OpenAI's document."""
    chat_events = gateway.events("/v1/chat/completions", CHAT)
    chat_events += gateway.events(
        "/v1/chat/completions", {**CHAT, "stream_options": {"include_usage": True}}
    )
    return {
        "CreateChatCompletionResponse": [gateway.post("/v1/chat/completions", CHAT).json()],
        "CreateChatCompletionStreamResponse": chat_events,
        "CreateCompletionResponse": [
            gateway.post("/v1/completions", COMPLETION).json(),
            *map(_with_reason, gateway.events("/v1/completions", COMPLETION)),
        ],
        "CreateEmbeddingResponse": [gateway.post("/v1/embeddings", EMBEDDING).json()],
        "ListModelsResponse": [gateway.get("/v1/models").json()],
        "Model": [gateway.get(f"/v1/models/{MODEL}").json()],
        "ErrorResponse": [gateway.post("/v1/chat/completions", {"model": "nobody"}).json()],
    }


TYPES = {
    "CreateChatCompletionResponse": ChatCompletion,
    "CreateChatCompletionStreamResponse": ChatCompletionChunk,
    "CreateCompletionResponse": Completion,
    "CreateEmbeddingResponse": CreateEmbeddingResponse,
    "Model": Model,
}


@pytest.mark.parametrize("name", TYPES)
def test_answers_are_what_openai_python_declares(answers: dict[str, list[Any]], name: str) -> None:
    for answer in answers[name]:
        TYPES[name].model_validate(answer, strict=True)


@pytest.mark.parametrize(
    "name",
    [*TYPES, "ListModelsResponse", "ErrorResponse"],
)
def test_answers_are_what_openais_document_says(answers: dict[str, list[Any]], name: str) -> None:
    if not DOCUMENT.exists():
        warnings.warn(
            f"OpenAI's document is not beside this project: {name} was not checked", stacklevel=1
        )
        pytest.skip("OpenAI's document is not beside this project")
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    schema = {**_plain(document), "$ref": f"#/components/schemas/{name}"}
    validator = jsonschema.Draft202012Validator(schema)
    for answer in answers[name]:
        validator.validate(answer)


def _with_reason(answer: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's completion chunks have a null finish_reason, which its document forbids."""
    choices = [
        {**choice, "finish_reason": choice["finish_reason"] or "stop"}
        for choice in answer["choices"]
    ]
    return {**answer, "choices": choices}


def _plain(schema: Any) -> Any:
    """`nullable`, which the document uses and its version of JSON Schema does not know, as null."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
