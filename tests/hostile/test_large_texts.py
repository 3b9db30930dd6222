"""Large texts of hard kinds: others are served while they are tokenised."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.applications import (
    EMBEDDING,
    LLM,
    RERANKER,
    standard_configuration,
    write_configuration,
)
from tests.live.http import Server
from tests.live.servers import running
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

# Characters, up to six bytes of JSON each.
SIZE = 2**17
NUM_AT_ONCE = 4
RANDOM = random.Random(1)
TEXTS = {
    "one letter": "a" * SIZE,
    "random": "".join(map(chr, RANDOM.choices(range(33, 0x2000), k=SIZE))),
    "emoji": "🙂" * SIZE,
    "spaces": " " * SIZE,
    "digits": "".join(RANDOM.choices("0123456789", k=SIZE)),
}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Iterator[Server]:
    """The server with its usual limits."""
    base: Path = tmp_path_factory.mktemp("large")
    content = standard_configuration(_triton.address, _http_triton.address)
    with running("gunicorn", write_configuration(base, content), base / "log") as server:
        yield server
    assert "Traceback" not in server.log_text()


def bodies(text: str) -> dict[str, dict[str, Any]]:
    return {
        "/v1/embeddings": {"model": EMBEDDING, "input": text},
        "/tokenize": {"model": LLM, "prompt": text},
        "/v1/rerank": {"model": RERANKER, "query": "a", "documents": [text]},
        "/v1/completions": {"model": LLM, "prompt": text},
    }


# Blanks are no tokens to these models, and the scripted Triton does not rank.
STATUSES = {"/v1/embeddings": (200, 400), "/tokenize": (200,), "/v1/completions": (400,)}


def test_others_are_served_meanwhile(server: Server, http_triton: ScriptedHttpTriton) -> None:
    asked = [(name, path, body) for name in TEXTS for path, body in bodies(TEXTS[name]).items()]
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        answers = [pool.submit(server.post, path, body) for _, path, body in asked]
        num_answered = 0
        while not all(future.done() for future in answers):
            assert server.get("/health").status == 200
            num_answered += 1
    # If each of these held the event loop, there were one between two of them.
    assert num_answered > len(asked) + NUM_AT_ONCE
    for (name, path, _), answer in zip(asked, answers, strict=True):
        assert answer.result().status in STATUSES.get(path, (200, 400, 502)), (name, path)
