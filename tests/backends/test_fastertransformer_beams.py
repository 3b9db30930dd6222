"""Beam search, greedy log-probabilities and what FasterTransformer's tensors cannot say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from app.chunks import TokenLogprob, Tokens
from app.errors import BackendError, UnsupportedParameter
from tests.backends.jobs import END_ID, PROMPT, answer, backend, job
from tests.scripted_triton import (
    LLAMA_INPUTS,
    ScriptedTriton,
    WhenItMay,
    message,
    model_config,
    say,
    sent,
)
from tests.tokenizers.cached import tokenizer

BEAM_INPUTS = (*LLAMA_INPUTS, ("len_penalty", "FP32", [1], True))
PENALTY_INPUTS = (
    *LLAMA_INPUTS,
    ("presence_penalty", "FP32", [1], True),
    ("frequency_penalty", "FP32", [1], True),
    ("min_length", "UINT32", [1], True),
)
NO_END = 0xFFFFFFFF


def beams_message(
    *beams: Sequence[int], max_tokens: int = 8, lengths: Sequence[int] | None = None, **more: Any
) -> Any:
    """`output_ids [1, beam, W]`; an end token is counted where there is room for it."""
    width = len(PROMPT) + max_tokens
    rows = [[*PROMPT, *beam] for beam in beams]
    found = lengths or [min(len(row) + 1, width) for row in rows]
    ids = [[[*row, *[END_ID] * (width - len(row))] for row in rows]]
    return message({"output_ids": ("UINT32", ids), "sequence_length": ("UINT32", [found]), **more})


def beam_job(n: int = 2, **asked: Any) -> Any:
    return job(**{"prompts": [PROMPT] * n, "beam_width": 4, "seeds": [7] * n, **asked})


def test_beams_are_one_row_on_the_wire(triton: ScriptedTriton) -> None:
    triton.config = model_config(BEAM_INPUTS)
    triton.script = say(beams_message([50], [60], [70], [80]))
    list(backend(triton).generate(beam_job(length_penalty=1.5)))
    found = sent(triton.requests[-1])
    assert found["input_ids"] == ("UINT32", [list(PROMPT)])
    assert found["request_output_len"] == ("UINT32", [[8]])
    assert found["random_seed"] == ("UINT64", [[7]])
    assert found["beam_width"] == ("UINT32", [[4]])
    assert found["len_penalty"] == ("FP32", [[1.5]])


def test_without_beams_nothing_is_said_of_them(triton: ScriptedTriton) -> None:
    triton.config = model_config(BEAM_INPUTS)
    answer(backend(triton), job())
    assert not {"beam_width", "len_penalty"} & sent(triton.requests[-1]).keys()


def test_only_the_last_message_counts(triton: ScriptedTriton) -> None:
    """Until the end a beam may be replaced by another."""
    triton.script = say(
        beams_message([50, 51], [60], [70], [80], lengths=[6, 5, 5, 5]),
        beams_message([60, 61, 62], [50, 55], [70], [80]),
    )
    parts = list(backend(triton).generate(beam_job()))
    assert parts == [Tokens([60, 61, 62], "stop", row=0), Tokens([50, 55], "stop", row=1)]


def test_beams_keep_the_models_order_and_end_each_in_its_way(triton: ScriptedTriton) -> None:
    long = list(range(60, 68))
    triton.script = say(beams_message([50, 51], long, [70, 71, 99], [80]))
    served = backend(triton, stop_words=((99,),))
    parts = list(served.generate(beam_job(4)))
    assert [(part.row, list(part.ids), part.finish_reason) for part in parts] == [
        (0, [50, 51], "stop"),
        (1, long, "length"),
        (2, [70, 71], "stop"),
        (3, [80], "stop"),
    ]
    assert parts[2].stop_reason == 99


def test_logprobs_of_beams(triton: ScriptedTriton) -> None:
    nan = math.nan
    values = [[[-1.0, -2.0] + [nan] * 6, [-3.0] + [nan] * 7]]
    triton.script = say(beams_message([50, 51], [60], output_log_probs=("FP32", values)))
    parts = list(backend(triton).generate(beam_job(logprobs=0)))
    assert [list(part.logprobs) for part in parts] == [
        [TokenLogprob(50, -1.0), TokenLogprob(51, -2.0)],
        [TokenLogprob(60, -3.0)],
    ]


def test_a_missing_beam_breaks_the_contract(triton: ScriptedTriton) -> None:
    triton.script = say(beams_message([50]))
    with pytest.raises(BackendError):
        list(backend(triton).generate(beam_job()))


def test_a_stream_without_beams_breaks_the_contract(triton: ScriptedTriton) -> None:
    triton.script = say()
    with pytest.raises(BackendError):
        list(backend(triton).generate(beam_job()))


def test_silence_is_told_while_beams_are_searched(triton: ScriptedTriton) -> None:
    triton.script = script = WhenItMay(say(beams_message([50], [60], [70], [80])), num_at_once=1)
    parts = []
    for part in backend(triton).generate(beam_job(patience=0.1)):
        parts.append(part)
        script.may_go_on.set()
    assert parts[0] == Tokens()
    assert [part.finish_reason for part in parts if part.ids] == ["stop", "stop"]


# ---- greedy answers


@pytest.mark.parametrize("wish", [{"temperature": 0.0}, {"top_p": 0.0}])
def test_greedy_with_logprobs_asks_for_a_tiny_top_p(
    triton: ScriptedTriton, wish: dict[str, Any]
) -> None:
    """Within a top-k of 1 every log-probability would be 0."""
    triton.script = say(beams_message([50], output_log_probs=("FP32", [[[-1.0] * 8]])))
    answer(backend(triton), job(logprobs=0, top_k=5, **wish))
    found = sent(triton.requests[-1])
    assert found["runtime_top_k"] == ("UINT32", [[0]])
    top_p = found["runtime_top_p"][1][0][0]
    assert 0 < top_p <= 1e-5
    assert found["is_return_log_probs"] == ("BOOL", [[True]])
    assert "temperature" not in found


def test_greedy_without_logprobs_is_a_top_k_of_1(triton: ScriptedTriton) -> None:
    answer(backend(triton), job(temperature=0.0))
    found = sent(triton.requests[-1])
    assert found["runtime_top_k"] == ("UINT32", [[1]])
    assert not {"runtime_top_p", "is_return_log_probs"} & found.keys()


# ---- bans


def words(triton: ScriptedTriton, name: str) -> list[list[int]]:
    """A word list as the words that it stands for."""
    (ids, ends), *others = sent(triton.requests[-1])[name][1]
    assert not others
    starts = [0, *ends]
    return [ids[start:end] for start, end in zip(starts, ends, strict=False) if end > 0]


def test_a_bias_of_minus_100_is_a_bad_word(triton: ScriptedTriton) -> None:
    served = backend(triton, bad_words=((5, 6),))
    answer(served, job(logit_bias={7: -100.0, 8: 0.0, 9: -100.0}))
    assert words(triton, "bad_words_list") == [[5, 6], [7], [9]]


def test_bad_words_are_banned_at_a_start_and_behind_a_space(triton: ScriptedTriton) -> None:
    answer(backend(triton), job(bad_words=("the", "a b")))
    encode = tokenizer("byte_level_bpe").encode
    expected = [encode(text) for text in ("the", " the", "a b", " a b")]
    assert words(triton, "bad_words_list") == expected


def test_token_0_cannot_be_banned(triton: ScriptedTriton) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        answer(backend(triton), job(logit_bias={0: -100.0}))
    assert refused.value.param == "logit_bias"
    assert triton.requests == []


def test_token_0_may_have_a_bias_of_nothing(triton: ScriptedTriton) -> None:
    answer(backend(triton), job(logit_bias={0: 0.0}))
    assert "bad_words_list" not in sent(triton.requests[-1])


# ---- ends


def test_an_endless_answer(triton: ScriptedTriton) -> None:
    ids = [50, END_ID, 3, 51, 99, 52, 53, 54]
    width = len(PROMPT) + 8
    triton.script = say(
        message(
            {
                "output_ids": ("UINT32", [[[*PROMPT, *ids[:5], *[NO_END] * 3]]]),
                "sequence_length": ("UINT32", [[9]]),
            }
        ),
        message(
            {
                "output_ids": ("UINT32", [[[*PROMPT, *ids]]]),
                "sequence_length": ("UINT32", [[width]]),
            }
        ),
    )
    served = backend(triton, end_ids=(3,), stop_words=((99,), (30, 31)))
    found, last = answer(served, job(ignore_eos=True))
    assert (found, last.finish_reason, last.stop_reason) == (ids, "length", None)
    assert sent(triton.requests[-1])["end_id"] == ("UINT32", [[NO_END]])
    assert words(triton, "stop_words_list") == [[30, 31]]


@pytest.mark.parametrize(("is_kept", "expected"), [(False, [50, 51]), (True, [50, 51, 60])])
def test_a_token_that_stops(triton: ScriptedTriton, is_kept: bool, expected: list[int]) -> None:
    triton.script = say(beams_message([50, 51, 60], lengths=[7]))
    fields = {"stop_token_ids": (60, 61), "has_stop_in_output": is_kept}
    found, last = answer(backend(triton, stop_words=((30, 31),)), job(fields=fields))
    assert (found, last.finish_reason, last.stop_reason) == (expected, "stop", 60)
    assert words(triton, "stop_words_list") == [[30, 31], [60], [61]]


def test_a_token_that_stops_ends_an_endless_answer(triton: ScriptedTriton) -> None:
    triton.script = say(beams_message([50, 60], lengths=[6]))
    fields = {"stop_token_ids": (60,)}
    found, last = answer(backend(triton), job(fields=fields, ignore_eos=True))
    assert (found, last.stop_reason) == ([50], 60)


# ---- penalties


def test_penalties_and_the_least_length_where_they_are_declared(triton: ScriptedTriton) -> None:
    triton.config = model_config(PENALTY_INPUTS)
    served = backend(triton, repetition_penalty=1.3)
    answer(served, job(presence_penalty=0.5, frequency_penalty=-0.5, min_tokens=3))
    found = sent(triton.requests[-1])
    assert found["presence_penalty"] == ("FP32", [[0.5]])
    assert found["frequency_penalty"] == ("FP32", [[-0.5]])
    assert found["min_length"] == ("UINT32", [[3]])
    # FasterTransformer takes either of the two.
    assert "repetition_penalty" not in found


def test_two_penalties_exclude_each_other(triton: ScriptedTriton) -> None:
    triton.config = model_config(PENALTY_INPUTS)
    with pytest.raises(UnsupportedParameter) as refused:
        answer(backend(triton), job(presence_penalty=0.5, repetition_penalty=1.2))
    assert refused.value.param == "presence_penalty"
    assert "repetition_penalty" in refused.value.message


def test_a_neutral_penalty_excludes_nothing(triton: ScriptedTriton) -> None:
    """Nothing is refused for a value that changes nothing."""
    triton.config = model_config(PENALTY_INPUTS)
    answer(backend(triton), job(presence_penalty=0.5, repetition_penalty=1.0))
    found = sent(triton.requests[-1])
    assert found["presence_penalty"] == ("FP32", [[0.5]])
    assert "repetition_penalty" not in found
