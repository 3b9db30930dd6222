"""A place that was taken is given back, whatever fails behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.services import generation, places
from tests.applications import LLM, RERANKER, build_application, standard_configuration
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    ScriptedHttpTriton,
    ScriptedTriton,
    encoder_of_scores,
    score_by_length,
)

MAX_INFLIGHT = 2
BODY = {"model": LLM, "prompt": "a", "max_tokens": 1}
RERANK = {"model": RERANKER, "query": "a", "documents": ["b"]}


@pytest.fixture
def client(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> FlaskClient:
    few = {"max_inflight": MAX_INFLIGHT, "max_queue": 0}
    content = standard_configuration(triton.address, http_triton.address, llm=few)
    content["rerank"][0] |= few
    http_triton.config, http_triton.infer = encoder_of_scores(), score_by_length
    http_triton.output = "logits"
    return build_application(tmp_path, content).test_client()


def broken(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("place", "name", "path", "body"),
    [
        (places, "request_queued", "/v1/completions", BODY),
        (places, "begin", "/v1/rerank", RERANK),
        (generation, "begin_call", "/v1/completions", BODY),
    ],
)
def test_the_places_are_free_afterwards(
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    place: object,
    name: str,
    path: str,
    body: dict[str, object],
) -> None:
    def status() -> int:
        return client.post(path, json=body).status_code

    with monkeypatch.context() as failing:
        failing.setattr(place, name, broken)
        assert [status() for _ in range(MAX_INFLIGHT + 1)] == [500] * (MAX_INFLIGHT + 1)
    for _ in range(MAX_INFLIGHT + 1):
        # A call to Triton may end, and give its place back, right behind its answer.
        wait_until(lambda: status() == 200, "a free place")
