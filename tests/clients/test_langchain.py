"""LangChain's chat model and embeddings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.expected import TEXTS, are_close, chat_text, vectors
from tests.clients.programs import run_together
from tests.live.http import Server

PROGRAMS = {"langchain_chat.py": [], "langchain_embeddings.py": ["unchecked", json.dumps(TEXTS)]}


@pytest.fixture(scope="module")
def everything(gateway: Server) -> Any:
    """What both programs print."""
    return run_together("current", gateway.url, PROGRAMS)


@pytest.fixture
def answers(everything: Any) -> Any:
    return everything["langchain_chat.py"]


def test_every_way_of_asking_gives_the_same_text(answers: Any, gateway: Server) -> None:
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "你好"},
    ]
    text = chat_text(gateway, messages=messages)
    assert text
    ways = [answers[way]["text"] for way in ("invoke", "stream", "astream")]
    assert [*ways, *answers["batch"]] == [text] * 5


def test_usage_and_the_reason_to_finish_come_once(answers: Any) -> None:
    usage = answers["invoke"]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    for way in ("stream", "astream"):
        assert answers[way]["num_chunks"] > 3
        for field in ("input_tokens", "output_tokens", "total_tokens"):
            assert answers[way]["usage"][field] == usage[field]
        assert answers[way]["finish_reason"] == answers["invoke"]["finish_reason"] == "stop"


def test_embeddings_of_texts(everything: Any, gateway: Server) -> None:
    answers = everything["langchain_embeddings.py"]
    expected = vectors(gateway)
    assert are_close(answers["documents"], expected)
    assert are_close(answers["asynchronous"], expected)
    assert are_close([answers["query"]], expected[:1])
