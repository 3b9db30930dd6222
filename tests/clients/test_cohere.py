"""Cohere's SDK gives the vectors of `/v1/embeddings`, and the order and scores of `/v1/rerank`."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from tests.clients.expected import (
    QUESTION,
    TEXTS,
    are_close,
    is_ranking,
    num_tokens,
    ranking,
    vectors,
)
from tests.clients.programs import run_together
from tests.live.http import Server

PROGRAMS = {"cohere_embed.py": [json.dumps(TEXTS)], "cohere_rerank.py": [json.dumps(QUESTION)]}


@pytest.fixture(scope="module", params=["current", "openai-2"])
def answers(request: pytest.FixtureRequest, gateway: Server) -> Any:
    """What both programs print, with each of two versions."""
    return run_together(request.param, gateway.url, PROGRAMS)


@pytest.fixture
def embedded(answers: Any) -> Any:
    return answers["cohere_embed.py"]


def test_embed(embedded: Any, gateway: Server) -> None:
    expected = vectors(gateway)
    for way in ("default", "asynchronous", "inputs", "float"):
        assert are_close(embedded[way], expected), way
    decoded = [struct.unpack("<384f", base64.b64decode(each)) for each in embedded["base64"]]
    assert are_close(decoded, expected)
    bits = [[int(bit) for byte in row for bit in f"{byte:08b}"] for row in embedded["ubinary"]]
    assert bits == [[int(number >= 0) for number in vector] for vector in embedded["float"]]
    assert embedded["binary"] == [[byte - 128 for byte in row] for row in embedded["ubinary"]]
    assert embedded["int8"] is None
    assert (embedded["texts"], embedded["version"]) == (TEXTS, "2")
    assert embedded["response type"] == "embeddings_by_type"
    assert embedded["tokens"] == num_tokens(gateway)
    assert embedded["id"]
    assert [len(vector) for vector in embedded["cut"]] == [64] * len(TEXTS)
    (warning,) = embedded["warnings"]
    assert "input_type" in warning


def test_errors_of_embed(embedded: Any) -> None:
    assert embedded["nobody"] == ["NotFoundError", "model_not_found"]
    for refused in ("int8 refused", "images refused"):
        assert embedded[refused] == ["BadRequestError", "unsupported_parameter"]


def test_rerank(answers: Any, gateway: Server) -> None:
    ranked = answers["cohere_rerank.py"]
    expected = ranking(gateway)
    assert expected[0][0] == 1, "the sentence that answers the question comes first"
    for way in ("v1", "v1 objects", "v2", "v2 asynchronous"):
        assert is_ranking(ranked[way], expected), way
    assert ranked["v1 documents"] == [QUESTION["documents"][int(i)] for i, _ in expected]
    assert ranked["v2 id"]
    assert ranked["v2 search units"] == 1
    assert ranked["error"] == 404
