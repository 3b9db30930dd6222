"""Scores of a prompt: asking for them makes nothing worse where an engine has none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.backends import prompt_scores
from app.backends.tensorrt_llm import TensorrtLlm
from app.errors import BackendError, InvalidRequest
from tests.backends.jobs import PROMPT, EndCounter, job
from tests.backends.language_models import (
    TRT_INPUTS,
    TRT_OUTPUTS,
    ids_message,
    serve,
    tensorrt_llm,
)
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedTriton, error_message, say, sent

INPUTS = (*TRT_INPUTS, ("return_context_logits", "BOOL", [1], True))
OUTPUTS = {**TRT_OUTPUTS, "context_logits": "FP32"}
LOGITS = np.zeros((1, len(PROMPT), 100), np.float32)
SCORED = ids_message([50, 51, 2], context_logits=("FP32", LOGITS))
PLAIN = ids_message([50, 51, 2])
REFUSED = error_message("need to build the engine with gather_context_logits for that")


@pytest.fixture(autouse=True)
def model(triton: ScriptedTriton) -> None:
    serve(triton, INPUTS, OUTPUTS)
    triton.script = refusing


def wants_logits(request: Any) -> bool:
    return bool(sent(request).get("return_context_logits", ("BOOL", [[False]]))[1][0][0])


def refusing(request: Any, context: Any) -> Iterator[Any]:
    yield from say(REFUSED if wants_logits(request) else PLAIN)(request, context)


def scored(**more: Any) -> Any:
    return job(**{"fields": {"scores_prompt": True}, "logprobs": 0, **more})


def outcome(served: TensorrtLlm, asked: Any) -> tuple[list[int], int]:
    """The ids of an answer, and how many of the prompt's tokens were scored."""
    parts = list(served.generate(asked))
    assert parts[-1].finish_reason == "stop"
    num_scored = sum(len(part.prompt_logprobs) for part in parts)
    return [token for part in parts for token in part.ids], num_scored


def asked_for_logits(triton: ScriptedTriton) -> list[bool]:
    return [wants_logits(request) for request in triton.requests]


def test_an_engine_with_logits_scores(triton: ScriptedTriton) -> None:
    triton.script = say(SCORED)
    assert outcome(tensorrt_llm(triton), scored()) == ([50, 51], len(PROMPT) - 1)


def test_scores_that_come_before_the_first_token_are_not_lost(triton: ScriptedTriton) -> None:
    triton.script = say(ids_message([], context_logits=("FP32", LOGITS)), PLAIN)
    assert outcome(tensorrt_llm(triton), scored()) == ([50, 51], len(PROMPT) - 1)


def test_an_engine_that_refuses_is_asked_once_more_and_then_never(triton: ScriptedTriton) -> None:
    served = tensorrt_llm(triton)
    assert served.capabilities().scores_prompts
    assert outcome(served, scored()) == ([50, 51], 0)
    assert not served.capabilities().scores_prompts
    assert outcome(served, scored()) == ([50, 51], 0)
    assert asked_for_logits(triton) == [True, False, False]
    assert sent(triton.requests[-1])["streaming"] == ("BOOL", [[True]])


def test_an_engine_that_answers_without_logits_is_not_asked_again(triton: ScriptedTriton) -> None:
    triton.script, served = say(PLAIN), tensorrt_llm(triton)
    assert outcome(served, scored()) == ([50, 51], 0)
    assert outcome(served, scored()) == ([50, 51], 0)
    assert asked_for_logits(triton) == [True, False]


@pytest.mark.parametrize("script", [refusing, say(PLAIN)])
def test_nothing_but_scores_cannot_be_had_without_them(triton: ScriptedTriton, script: Any) -> None:
    triton.script, served = script, tensorrt_llm(triton)
    for _ in range(2):
        with pytest.raises(InvalidRequest) as caught:
            list(served.generate(scored(max_tokens=0)))
        assert (caught.value.status, caught.value.param) == (400, "logprobs")
    assert asked_for_logits(triton) == [True]


def test_another_model_in_triton_is_asked_anew(triton: ScriptedTriton) -> None:
    served = tensorrt_llm(triton)
    outcome(served, scored())
    serve(triton, INPUTS[:-2] + INPUTS[-1:], OUTPUTS)
    triton.script = changed(triton)
    outcome(served, job())
    assert outcome(served, scored()) == ([50, 51], len(PROMPT) - 1)


def changed(triton: ScriptedTriton) -> Any:
    """Refuses the first request as Triton does whose model has changed, then scores."""

    def script(request: Any, context: Any) -> Iterator[Any]:
        triton.script = say(SCORED)
        yield error_message("unexpected inference input 'stop' for model 'llm'")

    return script


def test_a_prompt_too_long_to_be_scored_is_answered_all_the_same(
    triton: ScriptedTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    triton.script, served = say(SCORED), tensorrt_llm(triton)
    monkeypatch.setattr(prompt_scores, "MAX_MESSAGE_BYTES", 100 * 4 * len(PROMPT))
    assert outcome(served, scored()) == ([50, 51], 0)
    assert asked_for_logits(triton) == [False]
    with pytest.raises(InvalidRequest) as caught:
        list(served.generate(scored(max_tokens=0)))
    assert caught.value.param == "prompt"
    assert outcome(served, scored(prompt_ids=PROMPT[:-1]))[1] == len(PROMPT) - 2


def test_other_errors_are_not_repeated(triton: ScriptedTriton) -> None:
    triton.script = say(error_message("CUDA out of memory"))
    with pytest.raises(BackendError):
        list(tensorrt_llm(triton).generate(scored()))
    assert len(triton.requests) == 1


SCRIPTS: dict[str, Any] = {
    "scores": say(SCORED),
    "none": say(PLAIN),
    "refused": refusing,
    "failed": say(error_message("boom")),
}


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("max_tokens", [0, 8])
def test_the_place_is_given_back_once(triton: ScriptedTriton, kind: str, max_tokens: int) -> None:
    triton.script, ended = SCRIPTS[kind], EndCounter()
    try:
        list(tensorrt_llm(triton).generate(scored(max_tokens=max_tokens, when_ended=ended)))
    except (BackendError, InvalidRequest):
        assert kind != "scores"
    wait_until(lambda: ended.num_calls > 0, "giving the place back")
    time.sleep(0.02)
    assert ended.num_calls == 1


def test_the_place_is_kept_until_the_second_call_ends(triton: ScriptedTriton) -> None:
    """The first, which the engine has refused, has long ended."""
    ended, may_go_on = EndCounter(), threading.Event()

    def script(request: Any, context: Any) -> Iterator[Any]:
        if wants_logits(request):
            yield REFUSED
            return
        yield ids_message([50])
        assert may_go_on.wait(60)
        yield PLAIN

    triton.script = script
    tokens = tensorrt_llm(triton).generate(scored(when_ended=ended))
    assert list(next(tokens).ids) == [50]
    assert ended.num_calls == 0
    may_go_on.set()
    list(tokens)
    wait_until(lambda: ended.num_calls == 1, "giving the place back")
