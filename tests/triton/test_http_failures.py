"""What an encoder's Triton may do instead of answering."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from typing import Any

import pytest

from app.errors import ApiError
from app.registry import Timeouts
from app.types import RequestContext
from tests.backends.encoders import embed, embedding, encoder_config
from tests.live.waiting import LATE
from tests.scripted_triton import (
    Closed,
    Reply,
    ScriptedHttpTriton,
    tensor_reply,
    token_vectors,
)


def refusal(status: int, text: str) -> Reply:
    return Reply(status, b'{"error":"%s"}' % text.encode())


def failure(http_triton: ScriptedHttpTriton, **settings: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        embed(embedding(http_triton, **settings), [[7]])
    return caught.value


@pytest.mark.parametrize(
    ("status", "text", "expected", "code"),
    [
        (500, "canary: onnx runtime error at /models/x", 502, "backend_error"),
        (400, "canary", 502, "backend_error"),
        (501, "canary", 502, "backend_error"),
        (404, "Request for unknown model: 'm' is not found", 503, "backend_model_missing"),
        # Before 24.01 every error is 400, so the words decide.
        (400, "Request for unknown model: 'm' is not found", 503, "backend_model_missing"),
        (503, "Server exiting", 503, "backend_unavailable"),
        (400, "Server not ready", 503, "backend_unavailable"),
        (503, "Exceeds maximum queue size", 429, "model_overloaded"),
        (400, "Exceeds maximum queue size", 429, "model_overloaded"),
        (503, "Request timeout expired", 504, "backend_timeout"),
        (400, "inference request batch-size must be <= 4 for 'm'", 502, "backend_error"),
    ],
)
def test_an_error_answer(
    http_triton: ScriptedHttpTriton, status: int, text: str, expected: int, code: str
) -> None:
    http_triton.infer = lambda _: refusal(status, text)
    error = failure(http_triton)
    assert (error.status, error.code) == (expected, code)
    assert text not in error.message


@pytest.mark.parametrize("value", [2**63, -1, 1e300])
def test_numbers_that_the_datatype_does_not_hold(
    http_triton: ScriptedHttpTriton, value: float
) -> None:
    output = {"name": "last_hidden_state", "datatype": "UINT8", "shape": [1], "data": [value]}
    http_triton.infer = lambda _: Reply(200, json.dumps({"outputs": [output]}).encode())
    error = failure(http_triton)
    assert (error.status, error.code) == (502, "backend_error")


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b'{"error": 5}'])
def test_an_error_answer_of_something_else(http_triton: ScriptedHttpTriton, body: bytes) -> None:
    http_triton.infer = lambda _: Reply(502, body)
    assert failure(http_triton).status in (502, 503)


def closes(_: Any) -> Any:
    raise Closed


def test_a_closed_connection_is_unavailable(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = closes
    error = failure(http_triton)
    assert (error.status, error.code) == (503, "backend_unavailable")


def test_a_closed_connection_is_tried_again_at_most_once(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = closes
    failure(http_triton)
    assert len(http_triton.batches) <= 2


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_connection_that_was_closed_while_idle_is_opened_again(
    http_triton: ScriptedHttpTriton, is_announced: bool
) -> None:
    """What a restarted Triton looks like to the first request after it."""

    def infer(tensors: dict[str, Any]) -> Reply:
        reply = tensor_reply("last_hidden_state", token_vectors(tensors))
        headers = {**reply.headers, **({"Connection": "close"} if is_announced else {})}
        return Reply(200, reply.body, headers, then_closes=True)

    served = embedding(http_triton)
    http_triton.infer = infer
    for _ in range(3):
        assert embed(served, [[7]]) == [[7.0, 1.0, 0.0]]
        time.sleep(0.05)


def brief(**seconds: float) -> Timeouts:
    return Timeouts(
        **{"connect": 60, "first_token": 0.3, "between_tokens": 60, "total": 60, **seconds}
    )


def slow(seconds: float, tensors: dict[str, Any]) -> Reply:
    reply = tensor_reply("last_hidden_state", token_vectors(tensors))
    return Reply(200, reply.body, reply.headers, delay=seconds)


def test_a_slow_answer_is_a_timeout(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = partial(slow, 2 * LATE)
    start = time.monotonic()
    error = failure(http_triton, timeouts=brief())
    assert (error.status, error.code) == (504, "backend_timeout")
    assert time.monotonic() - start < 0.3 + LATE


def test_a_late_answer_is_not_taken_for_the_next_requests(http_triton: ScriptedHttpTriton) -> None:
    served = embedding(http_triton)
    has_begun, is_late, has_answered = threading.Event(), threading.Event(), threading.Event()

    def answer_late(tensors: dict[str, Any]) -> Reply:
        has_begun.set()
        assert is_late.wait(60)
        has_answered.set()
        return slow(0.0, tensors)

    http_triton.infer = answer_late
    seconds = 0.25
    # A busy machine may be so late that nothing is sent.
    while not has_begun.is_set():
        seconds *= 2
        with pytest.raises(ApiError):
            served.embed([[7]], RequestContext("impatient", deadline=time.monotonic() + seconds))
    http_triton.infer = token_vectors
    is_late.set()
    assert has_answered.wait(60)
    time.sleep(0.1)
    assert embed(served, [[8]]) == [[8.0, 1.0, 0.0]]


def test_an_answer_that_trickles_has_a_deadline(http_triton: ScriptedHttpTriton) -> None:
    def trickle(tensors: dict[str, Any]) -> Reply:
        reply = tensor_reply("last_hidden_state", token_vectors(tensors))
        return Reply(200, reply.body, reply.headers, delay=LATE / 10, pieces=20)

    http_triton.infer = trickle
    start = time.monotonic()
    error = failure(http_triton, timeouts=brief(first_token=60, total=0.6))
    assert error.code == "backend_timeout"
    assert time.monotonic() - start < 0.6 + LATE


def test_a_silent_triton_is_not_ready_within_the_connect_deadline(
    http_triton: ScriptedHttpTriton,
) -> None:
    """A metadata call is answered at once by a Triton that works; /readyz must not hang."""
    http_triton.ready = lambda: Reply(200, delay=2 * LATE)
    start = time.monotonic()
    states = embedding(
        http_triton, timeouts=brief(connect=0.3, first_token=2 * LATE)
    ).replicas.states()
    assert states[0].error is not None
    assert states[0].error.code == "backend_unavailable"
    assert time.monotonic() - start < 0.3 + LATE


@pytest.mark.parametrize(("status", "expected"), [(200, True), (400, False), (503, False)])
def test_readiness_is_tritons_word(
    http_triton: ScriptedHttpTriton, status: int, expected: bool
) -> None:
    http_triton.ready = lambda: Reply(status)
    assert embedding(http_triton).replicas.states()[0].is_ready is expected


def test_refused_tensors_are_sent_again_in_the_new_contract(
    http_triton: ScriptedHttpTriton,
) -> None:
    served = embedding(http_triton)
    embed(served, [[7]])
    http_triton.config = encoder_config(inputs={"input_ids": ("INT32", [-1])})

    def infer(tensors: dict[str, Any]) -> Any:
        if "attention_mask" in tensors:
            return refusal(400, "unexpected inference input 'attention_mask' for model 'm'")
        return token_vectors(tensors)

    http_triton.infer = infer
    assert embed(served, [[8]]) == [[8.0, 1.0, 0.0]]
    assert http_triton.datatypes["input_ids"] == "INT32"


def test_refused_tensors_of_the_same_contract_are_not_sent_again(
    http_triton: ScriptedHttpTriton,
) -> None:
    http_triton.infer = lambda _: refusal(400, "unexpected shape for input 'input_ids'")
    assert failure(http_triton).status == 502
    assert len(http_triton.batches) == 1


def test_the_contract_is_read_once(http_triton: ScriptedHttpTriton) -> None:
    served = embedding(http_triton)
    embed(served, [[7]] * 9)
    embed(served, [[7]])
    assert http_triton.num_configs == 1


def test_the_contract_is_read_again_after_a_failed_connection(
    http_triton: ScriptedHttpTriton,
) -> None:
    served = embedding(http_triton)
    http_triton.infer = closes
    with pytest.raises(ApiError):
        embed(served, [[7]])
    http_triton.infer = token_vectors
    assert embed(served, [[7]]) == [[7.0, 1.0, 0.0]]
    assert http_triton.num_configs == 2
