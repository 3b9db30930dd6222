"""A client's own limit for its request."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import EMBEDDING, LLM, build_application, standard_configuration
from tests.live.waiting import LATE, wait_until
from tests.scripted_triton import (
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    model_config,
    say,
    tensor_reply,
)

LIMITS = {"timeouts": {"connect": 60, "first_token": 60, "between_tokens": 60, "total": 120}}
COMPLETION = {"model": LLM, "prompt": "hello", "max_tokens": 2}


@pytest.fixture
def patient(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> FlaskClient:
    """An application whose own limits are far longer."""
    triton.config = model_config(backend="python")
    content = standard_configuration(triton.address, http_triton.address, llm=LIMITS)
    content["embedding"][0] |= LIMITS
    return build_application(tmp_path, content).test_client()


def post(client: FlaskClient, path: str, body: Any, limit: str) -> Any:
    return client.post(path, json=body, headers={"X-Request-Timeout": limit})


@pytest.mark.parametrize("limit", ["0.3"])
def test_a_model_that_takes_longer(
    patient: FlaskClient, triton: ScriptedTriton, limit: str
) -> None:
    triton.script = say(then_silent=2 * LATE)
    start = time.monotonic()
    answer = post(patient, "/v1/completions", COMPLETION, limit)
    assert answer.status_code == 504
    assert answer.json["error"]["code"] == "backend_timeout"
    assert answer.headers["x-should-retry"] == "false"
    assert time.monotonic() - start < LATE


def test_an_encoder_that_takes_longer(
    patient: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    infer = http_triton.infer

    def late(tensors: Any) -> Any:
        return replace(tensor_reply(http_triton.output, infer(tensors)), delay=2 * LATE)

    http_triton.infer = late
    start = time.monotonic()
    answer = post(patient, "/v1/embeddings", {"model": EMBEDDING, "input": "hello"}, "0.5")
    assert (answer.status_code, answer.json["error"]["code"]) == (504, "backend_timeout")
    assert time.monotonic() - start < LATE


def test_late_answers_to_impatient_clients_are_not_held_against_triton(
    patient: FlaskClient, triton: ScriptedTriton
) -> None:
    usual, triton.script = triton.script, say(then_silent=2 * LATE)
    for _ in range(6):
        assert post(patient, "/v1/completions", COMPLETION, "0.05").status_code == 504
    triton.script = usual
    assert patient.post("/v1/completions", json=COMPLETION).status_code == 200


def test_it_does_not_lengthen_anything(client: FlaskClient) -> None:
    assert post(client, "/v1/completions", COMPLETION, "900000").status_code == 200


@pytest.mark.parametrize(
    "limit", ["", "0", "0.0", "-1", "soon", "1e3", "inf", "nan", "1,5", "9999999", "9" * 400, "٣"]
)
def test_what_is_no_number_of_seconds(client: FlaskClient, limit: str) -> None:
    answer = post(client, "/v1/completions", COMPLETION, limit)
    assert answer.status_code == 400
    error = answer.json["error"]
    assert error["param"] == "X-Request-Timeout"
    assert "number of seconds above 0" in error["message"]
    assert len(error["message"]) < 200


def test_waiting_for_a_place_counts(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    few = {**LIMITS, "max_inflight": 1, "max_queue": 8, "max_queue_wait": 120}
    content = standard_configuration(triton.address, http_triton.address, llm=few)
    client = build_application(tmp_path, content).test_client()
    triton.config = model_config(backend="python")
    may_end = threading.Event()

    def script(request: Any, context: Any) -> Any:
        may_end.wait(2 * LATE)
        return Generated([5, 2])(request, context)

    triton.script = script
    first = threading.Thread(target=post, args=(client, "/v1/completions", COMPLETION, "100"))
    first.start()
    wait_until(lambda: bool(triton.requests), "the first request")
    start = time.monotonic()
    answer = post(client, "/v1/completions", COMPLETION, "0.3")
    assert answer.status_code == 504
    assert time.monotonic() - start < LATE
    assert not may_end.is_set()
    assert first.is_alive()
    may_end.set()
    first.join()
