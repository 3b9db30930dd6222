"""Models that several Tritons serve: `"url": [...]`, seen from a client."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient

from app.triton.replicas import breaker, sites
from tests.applications import (
    EMBEDDING,
    LLM,
    build_application,
    closed_port,
    standard_configuration,
)
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    Closed,
    Reply,
    ScriptedHttpTriton,
    ScriptedTriton,
    error_message,
    refuse,
    say,
)

COMPLETION = {"model": LLM, "prompt": "hello", "max_tokens": 3}
EMBED = {"model": EMBEDDING, "input": "hello"}


@pytest.fixture
def other() -> Iterator[ScriptedTriton]:
    triton = ScriptedTriton()
    yield triton
    triton.stop()


@pytest.fixture
def other_http() -> Iterator[ScriptedHttpTriton]:
    triton = ScriptedHttpTriton()
    yield triton
    triton.stop()


def served(tmp_path: Path, grpc: Any, http: Any) -> FlaskClient:
    return build_application(tmp_path, standard_configuration(grpc, http)).test_client()


@pytest.fixture
def client(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    other: ScriptedTriton,
    other_http: ScriptedHttpTriton,
) -> FlaskClient:
    return served(
        tmp_path,
        [triton.address, other.address],
        [http_triton.address, other_http.address],
    )


def complete(client: FlaskClient, **more: Any) -> Any:
    return client.post("/v1/completions", json={**COMPLETION, **more})


def replicas_of(client: FlaskClient) -> list[Any]:
    catalogue = client.application.extensions["openai_api"].catalogue
    return list(catalogue.model(LLM).backend.replicas._current())


def test_requests_are_spread(
    client: FlaskClient, triton: ScriptedTriton, other: ScriptedTriton
) -> None:
    for _ in range(8):
        assert complete(client).status_code == 200
        # A call may end after its answer, and until then its Triton is the busier one.
        wait_until(lambda: not any(each.num_outstanding for each in replicas_of(client)), "its end")
    assert (len(triton.requests), len(other.requests)) == (4, 4)


def test_the_contract_is_read_once(
    client: FlaskClient, triton: ScriptedTriton, other: ScriptedTriton
) -> None:
    for _ in range(4):
        complete(client)
    assert triton.num_configs + other.num_configs == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        say(error_message("Exceeds maximum queue size")),
        say(error_message("Request for unknown model: 'm' is not found")),
        say(error_message("Stub process 'llm_0_0' is not healthy.")),
        refuse(grpc.StatusCode.UNAVAILABLE, "Server exiting"),
    ],
)
def test_what_one_refuses_the_other_does(
    client: FlaskClient, triton: ScriptedTriton, other: ScriptedTriton, script: Any, stream: bool
) -> None:
    triton.script = script
    for _ in range(4):
        answer = complete(client, stream=stream)
        assert answer.status_code == 200
        assert b"error" not in answer.data
    assert triton.requests
    assert len(other.requests) == 4


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (say(error_message("boom")), 502),
        (refuse(grpc.StatusCode.UNAVAILABLE, "Socket closed"), 503),
        (say(), 502),
    ],
)
def test_what_may_have_begun_is_done_once(
    client: FlaskClient, triton: ScriptedTriton, other: ScriptedTriton, script: Any, status: int
) -> None:
    triton.script = other.script = script
    assert complete(client).status_code == status
    assert len(triton.requests) + len(other.requests) == 1


def test_one_that_is_not_there_costs_nothing(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    gone = f"127.0.0.1:{closed_port()}"
    client = served(tmp_path, [gone, triton.address], [gone, http_triton.address])
    for _ in range(12):
        assert complete(client).status_code == 200
        assert client.post("/v1/embeddings", json=EMBED).status_code == 200
    assert len(triton.requests) == 12
    report = client.get("/readyz")
    assert report.status_code == 200
    assert report.json["models"][LLM] == {"ready": True, "tritons": {"ready": 1, "total": 2}}


def test_places_are_given_back_after_asking_twice(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton, other: ScriptedTriton
) -> None:
    content = standard_configuration(
        [triton.address, other.address],
        http_triton.address,
        llm={"max_inflight": 1, "max_queue": 1},
    )
    client = build_application(tmp_path, content).test_client()
    triton.script = say(error_message("Exceeds maximum queue size"))
    assert {complete(client).status_code for _ in range(6)} == {200}


def test_an_embedding_is_made_again_where_the_connection_broke(
    client: FlaskClient, http_triton: ScriptedHttpTriton, other_http: ScriptedHttpTriton
) -> None:
    def close(_: Any) -> Any:
        raise Closed

    http_triton.infer = close
    for _ in range(4):
        assert client.post("/v1/embeddings", json=EMBED).status_code == 200
    assert len(other_http.batches) == 4


def test_a_model_that_nobody_serves_is_not_asked_for_again(
    client: FlaskClient,
    triton: ScriptedTriton,
    other: ScriptedTriton,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However long the ten take.
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 60.0)
    for each in (triton, other):
        each.script = say(error_message("Stub process 'llm_0_0' is not healthy."))
    answers = [complete(client) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {503}
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 30
    assert len(triton.requests) + len(other.requests) == 2
    report = client.get("/readyz")
    assert report.status_code == 503
    assert report.json["models"][LLM]["tritons"] == {"ready": 0, "total": 2}
    # The others go on.
    assert client.post("/v1/embeddings", json=EMBED).status_code == 200
    for each in (triton, other):
        each.script = say(error_message("boom"))
    for replica in replicas_of(client):
        # The pause is over.
        replica.breaker._retry_at = 0.0
    wait_until(lambda: complete(client).status_code == 502, "a trial")


def test_readiness_of_encoders(
    client: FlaskClient, http_triton: ScriptedHttpTriton, other_http: ScriptedHttpTriton
) -> None:
    http_triton.ready = lambda: Reply(400)
    report = client.get("/readyz").json["models"][EMBEDDING]
    assert report == {"ready": True, "tritons": {"ready": 1, "total": 2}}


def test_a_name_with_several_addresses(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of which one does not answer: the scripts listen on 127.0.0.1 alone."""
    usual = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "tritons.test":
            return usual(host, port, *args, **kwargs)
        return [
            found
            for address in ("127.0.0.1", "127.0.0.2")
            for found in usual(address, port, *args, **kwargs)
        ]

    monkeypatch.setattr(sites.socket, "getaddrinfo", getaddrinfo)
    grpc_port, http_port = (each.address.split(":")[1] for each in (triton, http_triton))
    client = served(tmp_path, f"tritons.test:{grpc_port}", f"tritons.test:{http_port}")
    for _ in range(6):
        assert complete(client).status_code == 200
        assert client.post("/v1/embeddings", json=EMBED).status_code == 200
    report = client.get("/readyz").json["models"]
    assert report[LLM]["tritons"] == report[EMBEDDING]["tritons"] == {"ready": 1, "total": 2}
