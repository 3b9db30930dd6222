"""TensorRT-LLM by token ids: what its messages mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.errors import BackendError
from tests.backends.jobs import PROMPT, job
from tests.backends.language_models import (
    TRT_INPUTS,
    TRT_OUTPUTS,
    answered,
    flag_message,
    ids_message,
    serve,
    tensorrt_llm,
    without,
)
from tests.scripted_triton import ScriptedTriton, message, say, sent

DELTAS = (ids_message([50]), ids_message([51, 52]), ids_message([53, 2]))


@pytest.fixture(autouse=True)
def model(triton: ScriptedTriton) -> None:
    serve(triton, TRT_INPUTS, TRT_OUTPUTS)
    triton.script = say(*DELTAS)


def test_messages_hold_new_tokens_and_the_end_token_is_no_part(triton: ScriptedTriton) -> None:
    parts = list(tensorrt_llm(triton).generate(job()))
    assert [list(part.ids) for part in parts] == [[50], [51, 52], [53]]
    assert parts[-1].finish_reason == "stop"
    assert parts[-1].stop_reason is None


def test_no_more_than_was_asked_for(triton: ScriptedTriton) -> None:
    ids, last = answered(tensorrt_llm(triton), job(max_tokens=2))
    assert (ids, last.finish_reason) == ([50, 51], "length")


@pytest.mark.parametrize("end", [(), (flag_message(),), (ids_message([]),)])
def test_the_end_of_the_stream_is_the_end_of_the_answer(
    triton: ScriptedTriton, end: tuple[Any, ...]
) -> None:
    """The model in Python ends with a flag alone, the C++ one may with no token."""
    triton.script = say(ids_message([50]), *end)
    ids, last = answered(tensorrt_llm(triton), job())
    assert (ids, list(last.ids), last.finish_reason) == ([50], [], "stop")


def test_a_message_of_no_tokens_is_passed_over(triton: ScriptedTriton) -> None:
    triton.script = say(ids_message([]), *DELTAS)
    assert len(list(tensorrt_llm(triton).generate(job()))) == 3


def test_a_stream_without_an_answer(triton: ScriptedTriton) -> None:
    triton.script = say(flag_message())
    with pytest.raises(BackendError, match="backend failed"):
        answered(tensorrt_llm(triton), job())


def test_stop_words_and_stop_tokens_end_it(triton: ScriptedTriton) -> None:
    served = tensorrt_llm(triton, stop_words=((51, 52),))
    ids, last = answered(served, job())
    assert (ids, last.finish_reason, last.stop_reason) == ([50], "stop", 52)
    ids, last = answered(tensorrt_llm(triton), job(fields={"stop_token_ids": (52,)}))
    assert (ids, last.finish_reason, last.stop_reason) == ([50, 51], "stop", 52)


def test_an_ignored_end_token_is_one_of_the_answer(triton: ScriptedTriton) -> None:
    ids, last = answered(tensorrt_llm(triton), job(ignore_eos=True, max_tokens=5))
    assert (ids, last.finish_reason) == ([50, 51, 52, 53, 2], "length")
    assert sent(triton.requests[-1])["end_id"] == ("INT32", [[-1]])


@pytest.mark.parametrize("has_length", [True, False])
def test_a_model_that_is_not_decoupled_answers_once_with_the_prompt(
    triton: ScriptedTriton, has_length: bool
) -> None:
    inputs = without(TRT_INPUTS, "exclude_input_in_output")
    serve(triton, inputs, TRT_OUTPUTS, is_decoupled=False)
    row = [*PROMPT, 50, 51, *([] if has_length else [-1, -1])]
    triton.script = say(ids_message(row, with_length=has_length))
    ids, last = answered(tensorrt_llm(triton), job())
    assert (ids, last.finish_reason) == ([50, 51], "stop")
    assert sent(triton.requests[-1])["streaming"] == ("BOOL", [[False]])


def test_an_answer_that_repeats_the_prompt_keeps_it_where_the_prompt_is_excluded(
    triton: ScriptedTriton,
) -> None:
    serve(triton, TRT_INPUTS, TRT_OUTPUTS, is_decoupled=False)
    triton.script = say(ids_message([*PROMPT, 50]))
    assert answered(tensorrt_llm(triton), job())[0] == [*PROMPT, 50]
    assert sent(triton.requests[-1])["exclude_input_in_output"] == ("BOOL", [[True]])


def test_beams_are_the_continuations(triton: ScriptedTriton) -> None:
    triton.script = say(
        message(
            {
                "output_ids": ("INT32", [[[50, 51, 2], [60, -1, -1]]]),
                "sequence_length": ("INT32", [[3, 1]]),
            }
        )
    )
    asked = job(prompts=[PROMPT, PROMPT], beam_width=2, length_penalty=0.5)
    parts = list(tensorrt_llm(triton).generate(asked))
    rows = [[token for part in parts if part.row == row for token in part.ids] for row in (0, 1)]
    assert rows == [[50, 51], [60]]
    assert [part.finish_reason for part in parts if part.finish_reason] == ["stop", "stop"]
    values = sent(triton.requests[-1])
    assert values["input_ids"][1] == [list(PROMPT)]
    assert values["beam_width"] == ("INT32", [[2]])
    assert values["len_penalty"] == ("FP32", [[0.5]])
    assert values["streaming"] == ("BOOL", [[False]])


@pytest.mark.parametrize("is_cumulative", [True, False])
def test_logprobs_new_or_repeated(triton: ScriptedTriton, is_cumulative: bool) -> None:
    """NVIDIA/TensorRT-LLM pull 8785: older versions repeat those of all tokens."""
    told = [[-0.5], [-0.5, -1.5, -2.5]] if is_cumulative else [[-0.5], [-1.5, -2.5]]
    triton.script = say(
        ids_message([50], output_log_probs=("FP32", [[told[0]]])),
        ids_message([51, 2], output_log_probs=("FP32", [[told[1]]])),
    )
    parts = list(tensorrt_llm(triton).generate(job(logprobs=0)))
    entries = [(each.token_id, each.logprob) for part in parts for each in part.logprobs]
    assert entries == [(50, -0.5), (51, -1.5)]
    assert sent(triton.requests[-1])["return_log_probs"] == ("BOOL", [[True]])


BROKEN = {
    "no ids": message({"sequence_length": ("INT32", [[1]]), "output_ids": ("FP32", [[[1.0]]])}),
    "a flat row": message({"output_ids": ("INT32", [[50]])}),
    "a length beyond the row": message(
        {"output_ids": ("INT32", [[[50]]]), "sequence_length": ("INT32", [[2]])}
    ),
    "a negative length": message(
        {"output_ids": ("INT32", [[[50]]]), "sequence_length": ("INT32", [[-1]])}
    ),
    "an id outside the vocabulary": ids_message([100]),
    "too few logprobs": ids_message([50, 51], output_log_probs=("FP32", [[[-1.0]]])),
    "logprobs that are no numbers": ids_message([50], output_log_probs=("FP32", [[[np.nan]]])),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_breaks_the_contract(triton: ScriptedTriton, kind: str) -> None:
    triton.script = say(BROKEN[kind])
    with pytest.raises(BackendError) as caught:
        answered(tensorrt_llm(triton), job(logprobs=0))
    assert caught.value.status == 502
