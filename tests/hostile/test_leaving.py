"""Clients that leave while a slow encoder works: their places are free at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.applications import EMBEDDING, RERANKER
from tests.hostile.requests import request
from tests.hostile.wire import Wire
from tests.live.http import Server
from tests.live.waiting import wait_until
from tests.observability.samples import Samples
from tests.scripted_triton import ScriptedHttpTriton, encoder_of_scores, token_vectors

NUM_LEAVING = 80


@pytest.fixture
def busy(http_triton: ScriptedHttpTriton) -> Iterator[ScriptedHttpTriton]:
    """A Triton whose model does not come to an end while the test runs."""
    may_end = threading.Event()

    def infer(tensors: dict[str, Any]) -> Any:
        may_end.wait(600)
        return token_vectors(tensors)

    http_triton.infer = infer
    yield http_triton
    may_end.set()


def num_running(server: Server, model: str) -> float:
    samples = Samples(server.get("/metrics").body.decode())
    return samples.value("requests_running", model=model)


def leave(server: Server, path: str, body: dict[str, Any]) -> None:
    """Many ask, and go once all are at work."""
    raw, before = json.dumps(body).encode(), num_running(server, body["model"])
    leaving = [Wire(server) for _ in range(NUM_LEAVING)]
    for connection in leaving:
        connection.send(request(f"Content-Length: {len(raw)}", target=path, body=raw))
    enough = before + NUM_LEAVING
    wait_until(lambda: num_running(server, body["model"]) == enough, "all of them")
    for connection in leaving:
        connection.socket.close()


def test_the_places_of_those_who_left_are_free(server: Server, busy: ScriptedHttpTriton) -> None:
    """Also of those who waited for a connection to Triton, of which there are fewer."""
    leave(server, "/v1/embeddings", {"model": EMBEDDING, "input": ["a"] * 9})
    wait_until(lambda: num_running(server, EMBEDDING) == 0, "the free places")
    busy.infer = token_vectors
    body = {"model": EMBEDDING, "input": "a"}
    assert server.post("/v1/embeddings", body).status == 200


@pytest.mark.parametrize("path", ["/v1/rerank", "/v1/score"])
def test_so_are_those_of_pairs(server: Server, busy: ScriptedHttpTriton, path: str) -> None:
    busy.config, busy.output = encoder_of_scores(), "logits"
    body = {"model": RERANKER, "query": "a", "documents": ["b"], "text_1": "a", "text_2": "b"}
    leave(server, path, body)
    wait_until(lambda: num_running(server, RERANKER) == 0, "the free places")
