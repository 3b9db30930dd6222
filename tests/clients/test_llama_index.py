"""LlamaIndex's language model, embeddings and rerankers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.expected import (
    QUESTION,
    TEXTS,
    are_close,
    chat_text,
    completion_text,
    is_ranking,
    ranking,
    vectors,
)
from tests.clients.programs import run_together
from tests.live.http import Server

PROGRAMS = {
    "llama_index_chat.py": [],
    "llama_index_embeddings.py": [json.dumps(TEXTS)],
    "llama_index_rerank.py": [json.dumps(QUESTION)],
}


@pytest.fixture(scope="module")
def everything(gateway: Server) -> Any:
    """What each program prints."""
    return run_together("openai-2", gateway.url, PROGRAMS)


def test_chat_and_completions_whole_and_streamed(everything: Any, gateway: Server) -> None:
    answers = everything["llama_index_chat.py"]
    assert answers["chat"] == chat_text(gateway, max_tokens=32)
    for way in ("stream_chat", "astream_chat"):
        assert "".join(answers[way]) == answers["chat"]
        assert len(answers[way]) > 3
    assert answers["complete"] == completion_text(gateway, max_tokens=32)
    assert "".join(answers["stream_complete"]) == answers["complete"]


def test_embeddings(everything: Any, gateway: Server) -> None:
    answers = everything["llama_index_embeddings.py"]
    expected = vectors(gateway)
    assert are_close(answers["documents"], expected)
    assert are_close(answers["asynchronous"], expected)
    assert are_close([answers["query"]], expected[:1])


def test_rerank(everything: Any, gateway: Server) -> None:
    answers = everything["llama_index_rerank.py"]
    for provider in ("cohere", "jina"):
        assert is_ranking(answers[provider], ranking(gateway)), provider
