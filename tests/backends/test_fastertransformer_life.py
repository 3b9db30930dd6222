"""Failures, deadlines, and how a request ends when nobody waits for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from app.backends.fastertransformer import FasterTransformer
from app.cancellation import Cancellation
from app.chunks import Tokens
from app.errors import ApiError, ClientDisconnected
from app.registry import LanguageModelSpec, Timeouts
from app.registry.specs import GenerationFacts
from app.triton.model_replicas import language_replicas
from tests.applications import closed_port
from tests.backends.jobs import PROMPT, EndCounter, answer, backend, job
from tests.live.waiting import LATE, wait_until
from tests.scripted_triton import (
    LLAMA_INPUTS,
    Generated,
    ScriptedTriton,
    error_message,
    model_config,
    refuse,
    row_message,
    say,
)
from tests.tokenizers.cached import tokenizer

FIRST = row_message([*PROMPT, 50, *[2] * 7], 5)


class Held:
    """A model that answers so much at once, and the rest when it may."""

    def __init__(self, num_at_once: int = 1) -> None:
        self.may_end = threading.Event()
        self._num_at_once = num_at_once

    def __call__(self, request: Any, context: Any) -> Iterator[Any]:
        for place, generated in enumerate(Generated([50] * 8)(request, context)):
            if place == self._num_at_once:
                until = time.monotonic() + 60
                while time.monotonic() < until and context.is_active():
                    if self.may_end.wait(0.01):
                        break
            yield generated


def hang(context: Any) -> None:
    """A frozen Triton: no answer until the client gives up."""
    until = time.monotonic() + 60
    while context.is_active() and time.monotonic() < until:
        time.sleep(0.01)


def die(context: Any) -> None:
    context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


def failure(served: FasterTransformer, **asked: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        answer(served, job(**asked))
    return caught.value


def warm_up(served: FasterTransformer) -> None:
    """Its contract is read; a busy machine may be too late with the first answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            answer(served, job())
        except ApiError:
            assert time.monotonic() < deadline
        else:
            return


# ---- what Triton says, and what the client is told

STREAM_ERRORS = [
    (
        "FasterTransformer execute failure: [FT][ERROR] Assertion fail: /x.cc:5",
        502,
        "backend_error",
    ),
    ("boom secret=/root/x", 502, "backend_error"),
    ("Request for unknown model: 'llm' is not found", 503, "backend_model_missing"),
    ("Request for unknown model: 'llm' has no available versions", 503, "backend_model_missing"),
    (
        "Request for unknown model: 'llm' version 3 is not at ready state",
        503,
        ("backend_unavailable", "backend_model_missing"),
    ),
    ("Server not ready", 503, "backend_unavailable"),
    ("Server exiting", 503, "backend_unavailable"),
    (
        "GRPC server is shutting down and has stopped accepting new requests.",
        503,
        "backend_unavailable",
    ),
    ("Stub process 'llm_0_0' is not healthy.", 503, "backend_unavailable"),
    ("[request id: 7] Exceeds maximum queue size", 429, "model_overloaded"),
    ("Request timeout expired", 504, "backend_timeout"),
    ("unexpected shape for input 'input_ids' for model 'llm'", 502, "backend_error"),
    (
        "[request id: <id_unknown>] inference input 'end_id' data-type is 'INT32', but model"
        " 'llm' expects 'UINT32'",
        502,
        "backend_error",
    ),
]


@pytest.mark.parametrize(("text", "status", "code"), STREAM_ERRORS)
def test_an_error_message_on_the_stream(
    triton: ScriptedTriton, text: str, status: int, code: str | tuple[str, ...]
) -> None:
    triton.script = say(error_message(text))
    error = failure(backend(triton))
    assert error.status == status
    assert error.code in code
    assert text not in error.message


def test_a_failed_request_is_read_to_its_end(triton: ScriptedTriton) -> None:
    """A cancellation that meets the final flag of a failed request can end Triton 2.51."""
    ended = EndCounter()
    triton.script = say(error_message("the model failed"), then_silent=0.3)
    failure(backend(triton, cancel="rpc"), when_ended=ended)
    wait_until(lambda: ended.num_calls == 1, "the end")
    assert triton.ended.wait(60)
    assert not triton.cancelled.is_set()


STATUSES = [
    (grpc.StatusCode.UNAVAILABLE, "Socket closed", 503, "backend_unavailable"),
    (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", 429, "model_overloaded"),
    (grpc.StatusCode.NOT_FOUND, "canary", 503, "backend_model_missing"),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "canary", 504, "backend_timeout"),
    (grpc.StatusCode.INTERNAL, "canary", 502, "backend_error"),
    (grpc.StatusCode.INVALID_ARGUMENT, "canary", 502, "backend_error"),
    (grpc.StatusCode.UNKNOWN, "canary", 502, "backend_error"),
]


@pytest.mark.parametrize(("code", "text", "status", "expected"), STATUSES)
def test_a_status_that_ends_the_stream(
    triton: ScriptedTriton, code: grpc.StatusCode, text: str, status: int, expected: str
) -> None:
    triton.script = refuse(code, text)
    error = failure(backend(triton))
    assert (error.status, error.code) == (status, expected)
    assert text not in error.message


def test_a_model_that_triton_does_not_have(triton: ScriptedTriton) -> None:
    def missing(context: Any) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'llm' is not found")

    triton.before_config = missing
    error = failure(backend(triton))
    assert (error.status, error.code) == (503, "backend_model_missing")


def unreachable() -> FasterTransformer:
    spec = LanguageModelSpec(
        name="chat",
        urls=(f"127.0.0.1:{closed_port()}",),
        folder=Path(),
        triton_model="llm",
        timeouts=limits(),
        facts=GenerationFacts(start_id=1, end_id=2, max_len=64),
    )
    return FasterTransformer(spec, language_replicas(spec), tokenizer("byte_level_bpe"))


def test_a_refused_connection_is_told_at_once() -> None:
    ended, start = EndCounter(), time.monotonic()
    error = failure(unreachable(), when_ended=ended)
    assert (error.status, error.code, error.retry_after) == (503, "backend_unavailable", 1)
    assert time.monotonic() - start < LATE
    assert ended.num_calls == 1


# ---- deadlines


def limits(**seconds: float) -> Timeouts:
    return Timeouts(
        **{"connect": 60, "first_token": 60, "between_tokens": 60, "total": 120, **seconds}
    )


def timed(served: FasterTransformer, **asked: Any) -> tuple[ApiError, float]:
    start = time.monotonic()
    error = failure(served, **asked)
    return error, time.monotonic() - start


def test_a_frozen_triton_is_unavailable_after_the_connect_deadline(triton: ScriptedTriton) -> None:
    triton.before_config = hang
    error, seconds = timed(backend(triton, timeouts=limits(connect=0.3)))
    assert (error.status, error.code) == (503, "backend_unavailable")
    assert 0.2 < seconds < 0.3 + LATE


def test_callers_of_a_frozen_triton_do_not_wait_for_each_other(triton: ScriptedTriton) -> None:
    triton.before_config = hang
    # One after another they would take five times as long, then Triton is left alone.
    served = backend(triton, timeouts=limits(connect=4))
    seconds: list[float] = []
    callers = [threading.Thread(target=lambda: seconds.append(timed(served)[1])) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert max(seconds) < 4 + 15


def test_no_first_token_in_time(triton: ScriptedTriton) -> None:
    triton.script = say(then_silent=60)
    error, seconds = timed(backend(triton, cancel="rpc", timeouts=limits(first_token=0.3)))
    assert (error.status, error.code) == (504, "backend_timeout")
    assert 0.25 < seconds < 0.3 + LATE


def test_no_first_token_from_a_triton_that_freezes(triton: ScriptedTriton) -> None:
    """It answers nothing more, its configuration included: that is still a missed deadline."""
    served = backend(triton, cancel="rpc", timeouts=limits(first_token=0.3))
    warm_up(served)
    triton.before_config, triton.script = hang, say(then_silent=60)
    ended = EndCounter()
    error, seconds = timed(served, when_ended=ended)
    assert (error.status, error.code) == (504, "backend_timeout")
    assert seconds < 0.3 + LATE


def test_no_further_token_in_time(triton: ScriptedTriton) -> None:
    triton.script = say(FIRST, then_silent=60)
    served = backend(triton, cancel="rpc", timeouts=limits(between_tokens=0.3))
    start = time.monotonic()
    tokens = served.generate(job())
    assert next(tokens) == Tokens([50])
    with pytest.raises(ApiError) as caught:
        next(tokens)
    assert caught.value.code == "backend_timeout"
    assert 0.25 < time.monotonic() - start < 0.3 + LATE


def test_the_whole_call_has_a_deadline(triton: ScriptedTriton) -> None:
    triton.script = Generated([50] * 40, delay=1)
    served = backend(triton, cancel="rpc", timeouts=limits(total=0.5))
    error, seconds = timed(served, max_tokens=40)
    assert error.code == "backend_timeout"
    assert 0.4 < seconds < 0.5 + LATE


def test_a_consumer_that_pauses_does_not_time_out_tokens_that_are_there(
    triton: ScriptedTriton,
) -> None:
    triton.script = Generated([50, 51, 52, 2])
    tokens = backend(triton, timeouts=limits(between_tokens=0.2)).generate(job())
    first = next(tokens)
    assert triton.ended.wait(60)
    time.sleep(0.3)
    rest = [token_id for part in tokens for token_id in part.ids]
    assert [*first.ids, *rest] == [50, 51, 52]


def test_silence_gives_a_sign_of_life(triton: ScriptedTriton) -> None:
    may_go = threading.Event()

    def script(request: Any, context: Any) -> Iterator[Any]:
        for generated in Generated([50, 2])(request, context):
            assert may_go.wait(60)
            may_go.clear()
            yield generated

    triton.script = script
    parts = []
    for part in backend(triton).generate(job(patience=0.05)):
        parts.append(part)
        if part == Tokens() and parts.count(Tokens()) % 2 == 0:
            may_go.set()
    assert parts.count(Tokens()) >= 4
    assert [token_id for part in parts for token_id in part.ids] == [50]


# ---- the contract is kept, and read again when it may have changed


def refuse_temperature(request: Any, context: Any) -> Iterator[Any]:
    if any(tensor.name == "temperature" for tensor in request.inputs):
        yield error_message("unexpected inference input 'temperature' for model 'llm'")
        return
    yield from Generated([50, 2])(request, context)


def test_refused_tensors_are_sent_again_in_the_new_contract(triton: ScriptedTriton) -> None:
    served = backend(triton)
    answer(served, job())
    triton.config = model_config([row for row in LLAMA_INPUTS if row[0] != "temperature"])
    triton.script = refuse_temperature
    triton.requests.clear()
    ended = EndCounter()
    assert answer(served, job(when_ended=ended))[0] == [50]
    assert len(triton.requests) == 2
    wait_until(lambda: ended.num_calls == 1, "the end")


def test_refused_tensors_of_the_same_contract_are_not_sent_again(triton: ScriptedTriton) -> None:
    triton.script = refuse_temperature
    assert failure(backend(triton)).status == 502
    assert len(triton.requests) == 1


def test_a_restarted_triton_is_asked_for_its_contract_again(triton: ScriptedTriton) -> None:
    served = backend(triton)
    triton.script = refuse(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    failure(served)
    triton.script = Generated([50, 2])
    triton.num_configs = 0
    triton.config = model_config(LLAMA_INPUTS[:3])
    answer(served, job())
    assert len(triton.requests[-1].inputs) == 3


# ---- nobody waits any more

FT, PYTHON = "fastertransformer", "python"


@pytest.mark.parametrize(
    ("backend_name", "configured", "is_cancelled"),
    [
        (FT, None, False),
        (PYTHON, None, True),
        ("tensorrtllm", None, True),
        (FT, "rpc", True),
        (PYTHON, "drain", False),
    ],
)
def test_leaving_cancels_or_drains(
    triton: ScriptedTriton, backend_name: str, configured: str | None, is_cancelled: bool
) -> None:
    triton.config = model_config(backend=backend_name)
    triton.script = held = Held()
    ended = EndCounter()
    tokens = backend(triton, cancel=configured).generate(job(when_ended=ended))
    next(tokens)
    tokens.close()
    assert not triton.ended.is_set()
    if is_cancelled:
        assert triton.cancelled.wait(60)
    held.may_end.set()
    wait_until(lambda: triton.cancelled.is_set() or triton.ended.is_set(), "the end")
    assert triton.cancelled.is_set() is is_cancelled
    wait_until(lambda: ended.num_calls == 1, "the slot's release")


def test_a_drained_answer_keeps_its_place_until_triton_is_done(triton: ScriptedTriton) -> None:
    triton.script = held = Held()
    ended = EndCounter()
    tokens = backend(triton).generate(job(when_ended=ended))
    next(tokens)
    tokens.close()
    assert ended.num_calls == 0
    held.may_end.set()
    wait_until(lambda: ended.num_calls == 1, "the end")
    assert triton.ended.wait(60)


@pytest.mark.parametrize("backend_name", [FT, PYTHON])
def test_cancellation_frees_a_waiting_consumer(triton: ScriptedTriton, backend_name: str) -> None:
    triton.config = model_config(backend=backend_name)
    triton.script = held = Held(num_at_once=0)
    cancellation, ended = Cancellation(), EndCounter()
    threading.Timer(0.1, cancellation.cancel).start()
    with pytest.raises(ClientDisconnected):
        answer(backend(triton), job(cancellation=cancellation, when_ended=ended))
    assert not triton.ended.is_set()
    held.may_end.set()
    wait_until(lambda: ended.num_calls == 1, "the end")


def test_a_request_that_was_cancelled_before_it_began(triton: ScriptedTriton) -> None:
    triton.script = say(then_silent=0.5)
    cancellation, ended = Cancellation(), EndCounter()
    cancellation.cancel()
    with pytest.raises(ClientDisconnected):
        answer(backend(triton), job(cancellation=cancellation, when_ended=ended))
    wait_until(lambda: ended.num_calls == 1, "the end")


def test_a_slow_reader_of_many_messages_gets_them_all(triton: ScriptedTriton) -> None:
    """More messages than may wait, so that the sender is held back."""
    triton.script = Generated([50] * 300)
    parts = []
    for part in backend(triton).generate(job(max_tokens=300)):
        parts.append(part)
        time.sleep(0.0005)
    assert sum(len(part.ids) for part in parts) == 300


def test_leaving_a_stream_whose_messages_wait_still_ends_it(triton: ScriptedTriton) -> None:
    triton.script = Generated([50] * 300)
    ended = EndCounter()
    tokens = backend(triton).generate(job(max_tokens=300, when_ended=ended))
    next(tokens)
    time.sleep(0.2)
    tokens.close()
    wait_until(lambda: ended.num_calls == 1, "the end")


# ---- the place is given back exactly once, whatever happens

ENDINGS = {
    "a whole answer": Generated([50, 51, 2]),
    "the length": Generated([50] * 8),
    "an error message": say(error_message("boom")),
    "an error message after tokens": say(FIRST, error_message("boom")),
    "garbage": say(row_message([1], 5)),
    "no answer": say(),
    "a status": refuse(grpc.StatusCode.INTERNAL, "boom"),
    "a lost connection": refuse(grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    "a full queue": say(error_message("Exceeds maximum queue size")),
    "silence": say(then_silent=0.5),
}


@pytest.mark.parametrize("is_reachable_afterwards", [True, False])
@pytest.mark.parametrize("kind", ENDINGS)
def test_the_place_is_given_back_once(
    triton: ScriptedTriton, kind: str, is_reachable_afterwards: bool
) -> None:
    served = backend(triton, cancel="rpc", timeouts=limits(first_token=0.3))
    warm_up(served)
    triton.script = ENDINGS[kind]
    if not is_reachable_afterwards:
        triton.before_config = die
    ended = EndCounter()
    with contextlib.suppress(ApiError):
        answer(served, job(when_ended=ended))
    wait_until(lambda: ended.num_calls > 0, "giving the place back")
    time.sleep(0.02)
    assert ended.num_calls == 1


def test_the_place_is_given_back_when_the_contract_cannot_be_read(triton: ScriptedTriton) -> None:
    triton.before_config = die
    ended = EndCounter()
    failure(backend(triton), when_ended=ended)
    assert ended.num_calls == 1


def test_readiness_is_tritons_word(triton: ScriptedTriton) -> None:
    assert backend(triton).replicas.states()[0].is_ready
    triton.is_ready = False
    assert not backend(triton).replicas.states()[0].is_ready


def test_readiness_of_a_triton_that_is_not_there() -> None:
    error = unreachable().replicas.states()[0].error
    assert error is not None
    assert error.code == "backend_unavailable"
