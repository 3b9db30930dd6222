"""LiteLLM as a library: completions, embeddings and rerank."""

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
    num_tokens,
    ranking,
    vectors,
)
from tests.clients.programs import run_together
from tests.live.http import Server

PROGRAMS = {
    "litellm_calls.py": [json.dumps(TEXTS)],
    "litellm_embed.py": [json.dumps(TEXTS)],
    "litellm_rerank.py": [json.dumps(QUESTION)],
}


@pytest.fixture(scope="module")
def everything(gateway: Server) -> Any:
    """What each program prints."""
    return run_together("openai-2", gateway.url, PROGRAMS)


@pytest.fixture
def answers(everything: Any) -> Any:
    return everything["litellm_calls.py"]


def test_completion_whole_and_streamed(answers: Any, gateway: Server) -> None:
    assert answers["completion"] == chat_text(gateway)
    assert answers["completion"] == "".join(answers["stream"]) == "".join(answers["astream"])
    assert len(answers["stream"]) > 3
    assert answers["usage"] > 0
    assert answers["finish_reason"] == "stop"


def test_text_completion(answers: Any, gateway: Server) -> None:
    assert answers["text_completion"] == completion_text(gateway)


def test_embedding(answers: Any, gateway: Server) -> None:
    assert are_close(answers["embedding"], vectors(gateway))


def test_too_long_is_an_error_of_its_own(answers: Any) -> None:
    # LiteLLM falls back to a model with more context when it sees this class.
    assert answers["error"] == [400, "ContextWindowExceededError"]


def test_embedding_for_cohere(everything: Any, gateway: Server) -> None:
    embedded = everything["litellm_embed.py"]
    assert are_close(embedded["vectors"], vectors(gateway))
    assert embedded["tokens"] == num_tokens(gateway)


def test_rerank(everything: Any, gateway: Server) -> None:
    ranked = everything["litellm_rerank.py"]
    expected = ranking(gateway)
    for way, results in ranked.items():
        assert is_ranking(results, expected), way
    documents = [QUESTION["documents"][int(index)] for index, _ in expected]
    for way in ("jina_ai with documents", "hosted_vllm with documents"):
        assert [result[2]["text"] for result in ranked[way]] == documents
    for provider in ("cohere", "jina_ai", "hosted_vllm", "infinity"):
        assert [result[2] for result in ranked[provider]] == [None, None]
