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
from tests.scripted_triton import ScriptedHttpTriton, token_vectors

SOON = 10.0
NUM_LEAVING = 80


@pytest.fixture
def busy(http_triton: ScriptedHttpTriton) -> Iterator[ScriptedHttpTriton]:
    """A Triton whose model does not come to an end while the test runs."""
    may_end = threading.Event()

    def infer(tensors: dict[str, Any]) -> Any:
        may_end.wait(60)
        return token_vectors(tensors)

    http_triton.infer = infer
    yield http_triton
    may_end.set()


def num_running(server: Server, model: str) -> float:
    samples = Samples(server.get("/metrics").body.decode())
    return samples.value("requests_running", model=model)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": EMBEDDING, "input": ["a"] * 9}),
        ("/v1/rerank", {"model": RERANKER, "query": "a", "documents": ["b"]}),
        ("/v1/score", {"model": RERANKER, "text_1": "a", "text_2": ["b"]}),
    ],
)
def test_the_places_of_those_who_left_are_free(
    server: Server, busy: ScriptedHttpTriton, path: str, body: dict[str, Any]
) -> None:
    """More than there are connections to Triton, so that some wait for one."""
    raw = json.dumps(body).encode()
    leaving = [Wire(server) for _ in range(NUM_LEAVING)]
    for connection in leaving:
        connection.send(request(f"Content-Length: {len(raw)}", target=path, body=raw))
    model = body["model"]
    wait_until(lambda: num_running(server, model) == NUM_LEAVING, "all of them", SOON)
    for connection in leaving:
        connection.socket.close()
    wait_until(lambda: num_running(server, model) == 0, "the free places", SOON)
    busy.infer = token_vectors
