"""The list of models, and the pages for operators."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.version import VERSION
from tests.applications import (
    EMBEDDING,
    LLM,
    MAX_LEN,
    RERANKER,
    build_application,
    closed_port,
    standard_configuration,
)
from tests.scripted_triton import Reply, ScriptedHttpTriton, ScriptedTriton

PERMISSION = {
    "object": "model_permission",
    "allow_create_engine": False,
    "allow_sampling": True,
    "allow_logprobs": True,
    "allow_search_indices": False,
    "allow_view": True,
    "allow_fine_tuning": False,
    "organization": "*",
    "group": None,
    "is_blocking": False,
}


def test_the_list_of_models(client: FlaskClient) -> None:
    body = client.get("/v1/models").json
    assert body["object"] == "list"
    assert [(model["id"], model["task"], model["max_model_len"]) for model in body["data"]] == [
        (LLM, "generate", MAX_LEN),
        (EMBEDDING, "embed", 32),
        (RERANKER, "rerank", 32),
    ]


def test_one_model_in_the_guides_shape(client: FlaskClient) -> None:
    """Its id holds a slash."""
    model = client.get(f"/v1/models/{LLM}").json
    (permission,) = model.pop("permission")
    created = model["created"]
    assert model.pop("capabilities")["chat"] is True
    assert model == {
        "id": LLM,
        "object": "model",
        "created": created,
        "owned_by": "openai_api",
        "root": LLM,
        "parent": None,
        "max_model_len": MAX_LEN,
        "task": "generate",
    }
    assert permission.pop("id").startswith("modelperm-")
    assert permission == {**PERMISSION, "created": created}


def test_the_same_on_every_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, triton: ScriptedTriton
) -> None:
    monkeypatch.setenv("OPENAI_API_STARTED_AT", "1700000000")
    configuration = standard_configuration(triton.address, triton.address)
    bodies = [
        build_application(tmp_path, configuration).test_client().get("/v1/models").json
        for _ in range(2)
    ]
    assert bodies[0] == bodies[1]
    assert {model["created"] for model in bodies[0]["data"]} == {1700000000}


def test_no_models(tmp_path: Path) -> None:
    body = build_application(tmp_path, {}).test_client().get("/v1/models").json
    assert body == {"object": "list", "data": []}


@pytest.mark.parametrize("path", ["/health", "/livez"])
def test_health_asks_no_backend(tmp_path: Path, path: str) -> None:
    nowhere = f"127.0.0.1:{closed_port()}"
    app = build_application(tmp_path, standard_configuration(nowhere, nowhere))
    assert app.test_client().get(path).status_code == 200


def test_ready_when_every_model_is(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert {model["ready"] for model in response.json["models"].values()} == {True}


def test_not_ready_when_one_model_is_not(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.is_ready = False
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    models = response.json["models"]
    assert models[LLM]["ready"] is False
    assert models[LLM]["cause"]
    assert models[EMBEDDING] == {"ready": True, "tritons": {"ready": 1, "total": 1}}


def test_readiness_tells_no_address(
    client: FlaskClient, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    http_triton.ready = lambda: Reply(503, b'{"error":"canary"}')
    response = client.get("/readyz")
    assert response.status_code == 503
    for canary in ("canary", triton.address, http_triton.address):
        assert canary not in response.text


def test_the_version(client: FlaskClient) -> None:
    assert client.get("/version").json == {"version": VERSION}
