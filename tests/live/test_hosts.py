"""The same application under gunicorn with gevent, Flask's own server and a plain WSGI server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.http import OpenStream, Server
from tests.live.leaving import (
    COMPLETIONS,
    LEAVING,
    STORY,
    Leave,
    ReadCounters,
    at_rest,
    cancelled,
    num_running,
)
from tests.live.servers import HOSTS, running
from tests.live.test_encoders import ARTICLES, MODEL, QUESTION
from tests.live.test_generation import CHAT, chat, completion, text_of_chat


@pytest.fixture(scope="module", params=HOSTS)
def server(
    request: pytest.FixtureRequest,
    configuration: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    if request.param == "gunicorn":
        yield request.getfixturevalue("gateway")
        return
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


def test_requests_do_not_wait_for_each_other(server: Server, counters: ReadCounters) -> None:
    at_rest(counters, "ft-slow")
    with ExitStack() as stack:
        slow = [stack.enter_context(server.stream(COMPLETIONS, STORY)) for _ in range(8)]
        assert len({beginning(stream) for stream in slow}) == 1
        assert server.get("/health").status == 200
        embedded = server.post("/v1/embeddings", {"model": MODEL, "input": "hello"})
        assert embedded.status == 200
        assert num_running(counters("ft-slow")) == 8, "the slow ones must still be running"
    at_rest(counters, "ft-slow")


def beginning(stream: OpenStream) -> str:
    """The first characters, in however many events they come."""
    text = ""
    for line in stream.lines():
        if line.startswith("data: "):
            (choice,) = json.loads(line.removeprefix("data: "))["choices"]
            text += choice["text"]
        if len(text) >= 20:
            break
    return text[:20]


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_a_client_that_leaves_ends_its_request(
    server: Server, counters: ReadCounters, leave: Leave
) -> None:
    with cancelled(counters, "ft-slow"):
        leave(server, STORY, counters)


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
