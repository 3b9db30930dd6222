"""What comes back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.chunks import Tokens
from app.errors import ApiError
from tests.backends.jobs import PROMPT, Paced, answer, backend, job
from tests.scripted_triton import (
    LLAMA_INPUTS,
    Generated,
    ScriptedTriton,
    message,
    model_config,
    row_message,
    say,
)

FILL = 2


def row(*new_ids: int, fill: int = FILL, width: int = 12, prompt: Any = PROMPT) -> list[int]:
    ids = [*prompt, *new_ids]
    return [*ids, *[fill] * (width - len(ids))]


# Prompt [1,10,11,12], end_id 2, request_output_len 8.
FIXTURE = (
    row_message(row(50), 5),
    row_message(row(50, 51), 6),
    row_message(row(50, 51, 52), 7),
    row_message(row(50, 51, 52), 8),
)


def test_the_documented_stream_gives_one_token_for_each_message(triton: ScriptedTriton) -> None:
    triton.script = script = Paced(*FIXTURE)
    parts = script.taken(backend(triton).generate(job()))
    assert parts == [Tokens([50]), Tokens([51]), Tokens([52]), Tokens([], "stop", None)]


@pytest.mark.parametrize(
    ("parsers", "num_parts"),
    [({}, 2), ({"reasoning_parser": "think"}, 4), ({"tool_call_parser": "hermes"}, 4)],
)
def test_messages_that_wait_are_read_by_their_last(
    triton: ScriptedTriton, parsers: dict[str, str], num_parts: int
) -> None:
    alike = [FIXTURE[0], FIXTURE[0], *FIXTURE[1:]]
    triton.script = say(*alike)
    parts = []
    for part in backend(triton, parsers=parsers).generate(job()):
        parts.append(part)
        if len(parts) == 1:
            assert triton.ended.wait(60)
            time.sleep(0.3)
    told = [part for part in parts if part.ids or part.finish_reason]
    assert [token_id for part in told for token_id in part.ids] == [50, 51, 52]
    assert len(told) == num_parts if parsers else len(told) <= num_parts


def test_the_last_message_alone_is_enough(triton: ScriptedTriton) -> None:
    triton.script = say(FIXTURE[-1])
    assert answer(backend(triton), job()) == ([50, 51, 52], Tokens([50, 51, 52], "stop"))


def test_repeated_messages_bring_nothing_new(triton: ScriptedTriton) -> None:
    triton.script = say(FIXTURE[0], FIXTURE[0], FIXTURE[1], FIXTURE[3], FIXTURE[3])
    assert answer(backend(triton), job())[0] == [50, 51, 52]


@pytest.mark.parametrize("step", [1, 2, 5, 8])
def test_a_callback_of_several_tokens(triton: ScriptedTriton, step: int) -> None:
    triton.script = Generated([50, 51, 52, 53, 54, 55, 2], step=step)
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason) == ([50, 51, 52, 53, 54, 55], "stop")


@pytest.mark.parametrize("datatype", ["UINT32", "INT32"])
def test_both_datatypes_of_the_outputs(triton: ScriptedTriton, datatype: str) -> None:
    triton.script = say(row_message(row(50, 51), 7, datatype=datatype))
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason) == ([50, 51], "stop")


def test_without_an_end_token_the_length_ended_it(triton: ScriptedTriton) -> None:
    triton.script = Generated(range(50, 58), step=5)
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason, last.stop_reason) == (list(range(50, 58)), "length", None)


def test_an_end_token_in_the_last_place_is_a_stop(triton: ScriptedTriton) -> None:
    triton.script = Generated([*range(50, 57), 2], step=5)
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason) == (list(range(50, 57)), "stop")


def test_an_answer_of_nothing_but_the_end_token(triton: ScriptedTriton) -> None:
    triton.script = say(row_message(row(), 5))
    assert answer(backend(triton), job()) == ([], Tokens([], "stop", None))


def test_no_more_than_max_tokens_is_read_of_a_wider_row(triton: ScriptedTriton) -> None:
    """A row of a mixed batch may get one token too many."""
    triton.script = say(row_message(row(*range(50, 59), width=20), 13))
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason) == (list(range(50, 58)), "length")


# Prompt [1,20] batched with a longer one, so that Lmax is 4.
SHORT_PROMPT = (1, 20)


def padded(*new_ids: int, length: int) -> Any:
    return row_message(row(*new_ids, width=10, prompt=SHORT_PROMPT), length)


def test_a_padded_row_over_counts_its_length(triton: ScriptedTriton) -> None:
    triton.script = say(padded(60, 61, 62, 63, length=9))
    ids, last = answer(backend(triton), job(prompt_ids=SHORT_PROMPT, max_tokens=6))
    assert (ids, last.finish_reason) == ([60, 61, 62, 63], "stop")


def test_fill_in_a_padded_row_is_no_end_while_tokens_come(triton: ScriptedTriton) -> None:
    triton.script = say(
        padded(60, length=5),
        padded(60, 61, length=6),
        padded(60, 61, 62, length=7),
        padded(60, 61, 62, 63, length=8),
        padded(60, 61, 62, 63, length=9),
    )
    ids, last = answer(backend(triton), job(prompt_ids=SHORT_PROMPT, max_tokens=6))
    assert (ids, last.finish_reason) == ([60, 61, 62, 63], "stop")


def test_a_padded_row_that_fills_its_length(triton: ScriptedTriton) -> None:
    triton.script = say(padded(60, 61, 62, length=7), padded(60, 61, 62, 63, 64, 65, length=10))
    ids, last = answer(backend(triton), job(prompt_ids=SHORT_PROMPT, max_tokens=6))
    assert (ids, last.finish_reason) == ([60, 61, 62, 63, 64, 65], "length")


def test_a_finished_row_ends_before_the_rest_of_its_batch(triton: ScriptedTriton) -> None:
    """5.5: members of a batch get messages until the slowest ends, so the end token counts."""
    repeated = padded(60, length=6)
    triton.script = say(padded(60, length=5), repeated, repeated, then_silent=3)
    ids, last = answer(backend(triton), job(prompt_ids=SHORT_PROMPT, max_tokens=6))
    assert (ids, last.finish_reason) == ([60], "stop")


@pytest.mark.parametrize("end_id", [-1, -2])
@pytest.mark.parametrize("datatype", ["UINT32", "INT32"])
def test_a_negative_end_id_ends_nothing_and_its_fill_is_no_text(
    triton: ScriptedTriton, end_id: int, datatype: str
) -> None:
    """Negative ids are two's complement; the fill they leave is never decoded."""
    steps = [row(50, fill=end_id), row(50, 2, fill=end_id), row(*range(50, 58), fill=end_id)]
    triton.script = say(
        *(
            row_message(ids, length, datatype=datatype)
            for ids, length in zip(steps, (5, 6, 12), strict=True)
        )
    )
    ids, last = answer(backend(triton, end_id=end_id), job())
    assert (ids, last.finish_reason) == ([50, 2, *range(52, 58)], "length")


def test_fill_of_a_negative_end_id_is_dropped_where_the_length_over_counts(
    triton: ScriptedTriton,
) -> None:
    triton.script = say(row_message(row(60, 61, fill=-2, width=10, prompt=SHORT_PROMPT), 8))
    served = backend(triton, end_id=-2)
    ids, last = answer(served, job(prompt_ids=SHORT_PROMPT, max_tokens=6))
    assert (ids, last.finish_reason) == ([60, 61], "stop")


@pytest.mark.parametrize("flag", ["finished", "is_finished"])
def test_a_vendors_flag_ends_the_answer_before_the_stream_does(
    triton: ScriptedTriton, flag: str
) -> None:
    triton.script = say(
        row_message(row(50), 5, **{flag: ("BOOL", [[False]])}),
        row_message(row(50, 51), 6, **{flag: ("BOOL", [[True]])}),
        then_silent=3,
    )
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason) == ([50, 51], "stop")


def test_tritons_final_flag_ends_the_answer(triton: ScriptedTriton) -> None:
    triton.script = say(
        row_message(row(50), 5, final=False), row_message(row(50, 51), 6, final=True), then_silent=3
    )
    ids, last = answer(backend(triton), job())
    assert (ids, last.finish_reason) == ([50, 51], "stop")


def test_the_end_token_ends_the_answer_before_the_stream_does(triton: ScriptedTriton) -> None:
    triton.script = Generated([50, 2], stays_open=3)
    assert answer(backend(triton), job())[0] == [50]


def test_the_last_token_of_the_length_ends_it_before_the_stream_does(
    triton: ScriptedTriton,
) -> None:
    triton.script = Generated([50] * 8, stays_open=3)
    assert answer(backend(triton), job())[1].finish_reason == "length"


# ---- stop words


def test_a_stop_word_of_one_token_is_not_part_of_the_answer(triton: ScriptedTriton) -> None:
    triton.script = Generated([50, 51, 9])
    ids, last = answer(backend(triton, stop_words=((9,),)), job())
    assert (ids, last.finish_reason, last.stop_reason) == ([50, 51], "stop", 9)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_stop_word_of_several_tokens_across_messages(triton: ScriptedTriton, step: int) -> None:
    triton.script = Generated([50, 7, 51, 7, 8, 9], step=step)
    ids, last = answer(backend(triton, stop_words=((7, 8, 9),)), job())
    assert (ids, last.finish_reason) == ([50, 7, 51], "stop")


def test_the_beginning_of_a_stop_word_is_text_when_the_length_ends_it(
    triton: ScriptedTriton,
) -> None:
    triton.script = Generated([50, 51, 52, 53, 54, 55, 7, 8])
    ids, last = answer(backend(triton, stop_words=((7, 8, 9),)), job())
    assert (ids, last.finish_reason) == ([50, 51, 52, 53, 54, 55, 7, 8], "length")


def test_what_a_callback_brought_beyond_a_stop_word_is_dropped(triton: ScriptedTriton) -> None:
    triton.script = Generated([50, 9, 51, 52, 53], step=5)
    assert answer(backend(triton, stop_words=((9,),)), job())[0] == [50]


def test_a_further_end_token_ends_like_the_end_token(triton: ScriptedTriton) -> None:
    triton.script = Generated([50, 51, 4])
    ids, last = answer(backend(triton, end_ids=(4,)), job())
    assert (ids, last.finish_reason, last.stop_reason) == ([50, 51], "stop", None)


# ---- what breaks the contract is 502, whatever it is

GARBAGE = {
    "no outputs at all": message({}),
    "no sequence_length": message({"output_ids": ("UINT32", [[row(50)]])}),
    "no output_ids": message({"sequence_length": ("UINT32", [[5]])}),
    "sequence_length beyond the tensor": row_message(row(50), 13),
    "a negative sequence_length": row_message(row(50), -3, datatype="INT32"),
    "a sequence_length shorter than the prompt": row_message(row(50), 2),
    "a token outside the vocabulary": row_message(row(50, 100), 6),
    "a token far outside the vocabulary": row_message(row(50, 2**32 - 5), 6),
    "another prompt": row_message(row(50, prompt=(1, 10, 11, 13)), 5),
    "only the new tokens": row_message([50, 51], 2),
    "an empty row": row_message([], 0),
    "ids of one dimension": message(
        {"output_ids": ("UINT32", row(50)), "sequence_length": ("UINT32", [[5]])}
    ),
    "no rows": message(
        {
            "output_ids": ("UINT32", [[]]),
            "sequence_length": ("UINT32", [[5]]),
        }
    ),
    "an empty sequence_length": message(
        {"output_ids": ("UINT32", [[row(50)]]), "sequence_length": ("UINT32", [[]])}
    ),
    "floating ids": message(
        {"output_ids": ("FP32", [[row(50)]]), "sequence_length": ("UINT32", [[5]])}
    ),
    "a sequence_length that is no number": message(
        {"output_ids": ("UINT32", [[row(50)]]), "sequence_length": ("FP32", [[float("nan")]])}
    ),
    "an empty finished flag": row_message(row(50), 5, finished=("BOOL", [[]])),
}


def wrong_size() -> Any:
    broken = row_message(row(50), 5)
    broken.infer_response.raw_output_contents[0] = b"\0" * 7
    return broken


def unknown_datatype() -> Any:
    broken = row_message(row(50), 5)
    broken.infer_response.outputs[0].datatype = "QUATERNION"
    return broken


GARBAGE["bytes that do not fill the shape"] = wrong_size()
GARBAGE["an unknown datatype"] = unknown_datatype()


def failure(triton: ScriptedTriton, **facts: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        answer(backend(triton, **facts), job())
    return caught.value


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_the_backends_error(triton: ScriptedTriton, kind: str) -> None:
    triton.script = say(GARBAGE[kind])
    error = failure(triton)
    assert (error.status, error.code) == (502, "backend_error")


def test_garbage_after_good_tokens_is_the_backends_error(triton: ScriptedTriton) -> None:
    triton.script = say(FIXTURE[0], row_message(row(50, 51), 99))
    tokens = backend(triton).generate(job())
    assert next(tokens) == Tokens([50])
    with pytest.raises(ApiError) as caught:
        next(tokens)
    assert caught.value.status == 502


def test_no_answer_at_all_is_the_backends_error(triton: ScriptedTriton) -> None:
    triton.script = say()
    assert failure(triton).status == 502


@pytest.mark.parametrize("datatype", ["BYTES", "STRING", "BF16"])
def test_a_contract_that_no_tensor_here_fits_is_the_backends_error(
    triton: ScriptedTriton, datatype: str
) -> None:
    """For example the ensemble's text inputs, configured by mistake."""
    triton.config = model_config(LLAMA_INPUTS)
    kind = "STRING" if datatype == "BYTES" else datatype
    triton.config.input[0].data_type = {"STRING": 13, "BF16": 14}[kind]
    assert failure(triton).status == 502
