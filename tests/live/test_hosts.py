"""The same application under gunicorn with gevent, Flask's own server and a plain WSGI server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.http import Server
from tests.live.servers import HOSTS, running
from tests.live.test_encoders import ARTICLES, MODEL, QUESTION
from tests.live.test_generation import CHAT, COMPLETIONS, chat, completion, text_of_chat


@pytest.fixture(scope="module", params=HOSTS)
def server(
    request: pytest.FixtureRequest,
    configuration: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp(request.param) / "log"
    with running(request.param, configuration, log) as server:
        yield server


def test_every_endpoint_answers(server: Server) -> None:
    assert len(server.get("/v1/models").json()["data"]) > 3
    assert server.get("/v1/models/demo-chat").json()["task"] == "generate"
    assert server.get("/readyz").status == 200
    assert server.get("/version").json()["version"]
    embedded = server.post("/v1/embeddings", {"model": MODEL, "input": ARTICLES})
    assert len(embedded.json()["data"][0]["embedding"]) == 384
    body = {"model": "minilm-reranker", "query": QUESTION, "documents": ARTICLES}
    assert server.post("/v1/rerank", body).json()["data"][0]["index"] == 2
    assert server.post(COMPLETIONS, completion(["a", "b"])).status == 200


def test_streams_equal_whole_answers(server: Server) -> None:
    whole = server.post(CHAT, chat("你好")).json()["choices"][0]["message"]["content"]
    assert text_of_chat(server.events(CHAT, chat("你好"))) == whole


def test_requests_do_not_wait_for_each_other(server: Server) -> None:
    body = completion("Once upon a time", model="ft-slow", max_tokens=10)
    with ThreadPoolExecutor(9) as pool:
        slow = [pool.submit(server.events, COMPLETIONS, body) for _ in range(8)]
        assert server.get("/health").status == 200
        embedded = server.post("/v1/embeddings", {"model": MODEL, "input": "hello"})
        assert embedded.status == 200
        assert not any(stream.done() for stream in slow), "the slow ones must still be running"
        assert len({text_of(stream.result()) for stream in slow}) == 1


def text_of(events: list[dict[str, object]]) -> str:
    return "".join(choice["text"] for event in events for choice in event["choices"])  # type: ignore[attr-defined]


def test_errors_have_openais_shape(server: Server) -> None:
    for answer, status in (
        (server.get("/nowhere"), 404),
        (server.get(CHAT), 405),
        (server.post(CHAT, {"model": "nobody"}), 404),
        (server.request("POST", CHAT, b"{", {"Content-Type": "application/json"}), 400),
        (server.request("POST", CHAT, b"{}", {"Content-Type": "text/plain"}), 415),
    ):
        assert answer.status == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert answer.headers["x-request-id"]
