"""Parsing bodies as the views do."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import InvalidRequest
from app.schemas.chat import ChatSchema
from app.schemas.completions import CompletionSchema
from app.schemas.embeddings import EmbeddingSchema
from app.schemas.request import model_name, parse
from app.schemas.rerank import RerankSchema

SCHEMAS = {
    "completions": CompletionSchema(),
    "chat": ChatSchema(),
    "embeddings": EmbeddingSchema(),
    "rerank": RerankSchema(),
}
BODIES: dict[str, dict[str, Any]] = {
    "completions": {"model": "m", "prompt": "a"},
    "chat": {"model": "m", "messages": [{"role": "user", "content": "a"}]},
    "embeddings": {"model": "m", "input": "a"},
    "rerank": {"model": "m", "query": "q", "documents": ["a"]},
}
GENERATING = ("completions", "chat")


def parsed(endpoint: str, **fields: Any) -> Any:
    return parsed_body(endpoint, {**BODIES[endpoint], **fields})


def parsed_body(endpoint: str, body: dict[str, Any]) -> Any:
    model_name(body)
    return parse(SCHEMAS[endpoint], body)


def refusal(endpoint: str, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parsed(endpoint, **fields)
    error = caught.value
    assert error.status == 400
    # However large the request was.
    assert len(str(error.as_dict()).encode()) <= 4096
    return error
