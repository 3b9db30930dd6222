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
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton, say, tensor_reply

COMPLETION = {"model": LLM, "prompt": "hello", "max_tokens": 2}


def post(client: FlaskClient, path: str, body: Any, limit: str) -> Any:
    return client.post(path, json=body, headers={"X-Request-Timeout": limit})


@pytest.mark.parametrize("limit", ["0.3"])
def test_a_model_that_takes_longer(client: FlaskClient, triton: ScriptedTriton, limit: str) -> None:
    triton.script = say(then_silent=4.5)
    start = time.monotonic()
    answer = post(client, "/v1/completions", COMPLETION, limit)
    assert answer.status_code == 504
    assert answer.json["error"]["code"] == "backend_timeout"
    assert answer.headers["x-should-retry"] == "false"
    # The model's own limit is 5 seconds.
    assert time.monotonic() - start < 4


def test_an_encoder_that_takes_longer(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    infer = http_triton.infer

    def late(tensors: Any) -> Any:
        return replace(tensor_reply(http_triton.output, infer(tensors)), delay=4.0)

    http_triton.infer = late
    start = time.monotonic()
    answer = post(client, "/v1/embeddings", {"model": EMBEDDING, "input": "hello"}, "0.5")
    assert (answer.status_code, answer.json["error"]["code"]) == (504, "backend_timeout")
    assert time.monotonic() - start < 3.5


def test_late_answers_to_impatient_clients_are_not_held_against_triton(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    usual, triton.script = triton.script, say(then_silent=4.5)
    for _ in range(6):
        assert post(client, "/v1/completions", COMPLETION, "0.05").status_code == 504
    triton.script = usual
    assert client.post("/v1/completions", json=COMPLETION).status_code == 200


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
    few = {"max_inflight": 1, "max_queue": 8, "max_queue_wait": 30}
    content = standard_configuration(triton.address, http_triton.address, llm=few)
    client = build_application(tmp_path, content).test_client()
    triton.script = say(then_silent=4.5)
    first = threading.Thread(target=post, args=(client, "/v1/completions", COMPLETION, "3"))
    first.start()
    wait_until(lambda: bool(triton.requests), "the first request")
    start = time.monotonic()
    answer = post(client, "/v1/completions", COMPLETION, "0.3")
    assert answer.status_code == 504
    assert time.monotonic() - start < 2.5
    first.join()
