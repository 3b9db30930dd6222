"""Several continuations in one request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.backends.fastertransformer import FasterTransformer
from app.backends.generation import GenerationJob
from app.chunks import TokenLogprob, Tokens
from app.errors import BackendError
from app.registry import LanguageModelSpec
from app.registry.specs import GenerationFacts
from app.triton.model_replicas import language_replicas
from tests.backends.jobs import END_ID, LIMITS, PROMPT, Paced, backend, job
from tests.scripted_triton import ScriptedTriton, message, model_config, say, sent
from tests.tokenizers.cached import tokenizer

OTHER = (1, 20)
PROMPTS = (PROMPT, OTHER)


def rows_message(
    rows: Sequence[Sequence[int]],
    lengths: Sequence[int],
    *,
    prompts: Sequence[Sequence[int]] = PROMPTS,
    max_tokens: int = 8,
    others: int = 0,
    **more: tuple[str, Any],
) -> Any:
    """gatherTree's layout: prompts without padding, the new ids, and fill to the common width.

    `others` is how much longer the longest prompt of another request in Triton's batch is.
    """
    width = max(map(len, prompts)) + max_tokens + others
    full = [[*prompt, *new] for prompt, new in zip(prompts, rows, strict=True)]
    ids = [[[*row, *[END_ID] * (width - len(row))]] for row in full]
    return message(
        {
            "output_ids": ("UINT32", ids),
            "sequence_length": ("UINT32", [[length] for length in lengths]),
            **more,
        }
    )


def rows_of(parts: Sequence[Tokens], count: int = 2) -> list[list[int]]:
    """Each row's ids."""
    return [[i for part in parts if part.row == row for i in part.ids] for row in range(count)]


def reasons_of(parts: Sequence[Tokens], count: int = 2) -> list[str | None]:
    """Each row's only reason, which must be on its last part."""
    reasons: list[str | None] = []
    for row in range(count):
        own = [part.finish_reason for part in parts if part.row == row and part.ids]
        ends = [part.finish_reason for part in parts if part.row == row and part.finish_reason]
        assert len(ends) == 1
        assert all(reason is None for reason in own[:-1])
        reasons += ends
    return reasons


def batch(**asked: Any) -> GenerationJob:
    return job(**{"prompts": PROMPTS, "seeds": [7, 8], **asked})


# Lmax is 4, row 1 emits 60,61,62,63,EOS, so its sequence_length is 9.
PADDED = (
    rows_message([[50], [60]], [5, 5], max_tokens=6),
    rows_message([[50, 51], [60, 61]], [6, 6], max_tokens=6),
    rows_message([[50, 51], [60, 61, 62, 63]], [7, 8], max_tokens=6),
    rows_message([[50, 51], [60, 61, 62, 63]], [7, 9], max_tokens=6),
)


def test_every_tensor_has_a_row_for_each(triton: ScriptedTriton) -> None:
    values = ("FP32", [[[-1.0] * 6]] * 2)
    triton.script = say(rows_message([[50], [60]], [6, 6], max_tokens=6, output_log_probs=values))
    served = backend(triton, bad_words=((5,), (6, 7)), stop_words=((30, 31),), end_ids=(3,))
    list(served.generate(batch(max_tokens=6, logprobs=0)))
    assert sent(triton.requests[-1]) == {
        "input_ids": ("UINT32", [list(PROMPT), [1, 20, 0, 0]]),
        "input_lengths": ("UINT32", [[4], [2]]),
        "request_output_len": ("UINT32", [[6], [6]]),
        "start_id": ("UINT32", [[1], [1]]),
        "end_id": ("UINT32", [[2], [2]]),
        "temperature": ("FP32", [[1.0], [1.0]]),
        "runtime_top_k": ("UINT32", [[0], [0]]),
        "runtime_top_p": ("FP32", [[1.0], [1.0]]),
        "random_seed": ("UINT64", [[7], [8]]),
        "is_return_log_probs": ("BOOL", [[True], [True]]),
        "bad_words_list": ("INT32", [[[5, 6, 7], [1, 3, -1]]] * 2),
        "stop_words_list": ("INT32", [[[30, 31, 3], [2, 3, -1]]] * 2),
    }


def test_seeds_are_unsigned_and_each_row_without_one_gets_its_own(triton: ScriptedTriton) -> None:
    triton.script = say(PADDED[-1])
    list(backend(triton).generate(batch(max_tokens=6, seeds=[-1, 2**64 - 2])))
    assert sent(triton.requests[-1])["random_seed"] == ("UINT64", [[2**64 - 1], [2**64 - 2]])
    list(backend(triton).generate(batch(max_tokens=6, seeds=[None, None])))
    (one,), (other,) = sent(triton.requests[-1])["random_seed"][1]
    assert one != other


def test_extra_inputs_are_repeated(triton: ScriptedTriton) -> None:
    inputs = (
        ("input_ids", "UINT32", [-1], False),
        ("input_lengths", "UINT32", [1], False),
        ("request_output_len", "UINT32", [-1], False),
        ("mask_positions", "INT32", [1], False),
        ("flag", "BOOL", [1], False),
        ("pair", "FP32", [2], False),
    )
    triton.config = model_config(inputs)
    triton.script = say(PADDED[-1])
    served = backend(triton, extra_inputs={"flag": True, "pair": [0.5, 1.5]})
    list(served.generate(batch(max_tokens=6)))
    found = sent(triton.requests[-1])
    assert found["mask_positions"] == ("INT32", [[-1], [-1]])
    assert found["flag"] == ("BOOL", [[True], [True]])
    assert found["pair"] == ("FP32", [[0.5, 1.5], [0.5, 1.5]])


def test_the_documented_padded_batch(triton: ScriptedTriton) -> None:
    triton.script = say(*PADDED)
    parts = list(backend(triton).generate(batch(max_tokens=6)))
    assert rows_of(parts) == [[50, 51], [60, 61, 62, 63]]
    assert reasons_of(parts) == ["stop", "stop"]


def test_the_last_message_of_a_padded_batch_is_enough(triton: ScriptedTriton) -> None:
    triton.script = say(PADDED[-1])
    parts = list(backend(triton).generate(batch(max_tokens=6)))
    assert rows_of(parts) == [[50, 51], [60, 61, 62, 63]]


def test_a_row_is_over_as_soon_as_it_is_known(triton: ScriptedTriton) -> None:
    triton.script = script = Paced(*PADDED, num_rows=2)
    parts = script.taken(backend(triton).generate(batch(max_tokens=6)))
    ended = [part.row for part in parts if part.finish_reason]
    assert ended == [0, 1]
    assert parts[-1].ids == []


def test_a_row_at_its_length_and_one_at_its_end(triton: ScriptedTriton) -> None:
    long = list(range(60, 66))
    triton.script = say(
        rows_message([[50], long[:3]], [6, 7], max_tokens=6),
        rows_message([[50], long], [6, 10], max_tokens=6),
    )
    parts = list(backend(triton).generate(batch(max_tokens=6)))
    assert rows_of(parts) == [[50], long]
    assert reasons_of(parts) == ["stop", "length"]


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    prompts=st.lists(st.lists(st.integers(3, 40), min_size=1, max_size=6), min_size=1, max_size=4),
    data=st.data(),
)
def test_any_batch_in_any_steps(
    triton: ScriptedTriton, prompts: list[list[int]], data: st.DataObject
) -> None:
    """Rows of any lengths, which end at any time, give their ids and reasons."""
    most = data.draw(st.integers(1, 9))
    new = [data.draw(st.lists(st.integers(3, 90), max_size=most)) for _ in prompts]
    ends = [[*ids, END_ID] if len(ids) < most else ids for ids in new]
    # Triton may have put another request with a longer prompt into the same batch.
    step, others = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 3))
    longest = max(map(len, prompts)) + others
    last = max(map(len, ends))
    messages = []
    for size in (*range(step, last, step), last):
        shown = [ids[:size] for ids in new]
        lengths = [longest + min(size, len(ids)) for ids in ends]
        messages.append(
            rows_message(shown, lengths, prompts=prompts, max_tokens=most, others=others)
        )
    triton.reset()
    triton.script = say(*messages)
    asked = job(prompts=[tuple(prompt) for prompt in prompts], max_tokens=most)
    parts = list(backend(triton).generate(asked))
    assert rows_of(parts, len(prompts)) == new
    expected = ["length" if len(ids) == most else "stop" for ids in new]
    assert reasons_of(parts, len(prompts)) == expected


def test_logprobs_of_every_row_without_what_lies_behind(triton: ScriptedTriton) -> None:
    """Entries behind the tokens are uninitialised memory."""
    nan = math.nan
    first = [[[-0.5, nan, nan, 1e30, nan, nan]], [[-1.5, nan, 9.0, nan, nan, nan]]]
    last = [[[-0.5, -0.25, nan, 1e30, nan, nan]], [[-1.5, -1.25, -1.0, -0.75, nan, nan]]]
    triton.script = say(
        rows_message([[50], [60]], [5, 5], max_tokens=6, output_log_probs=("FP32", first)),
        rows_message(
            [[50, 51], [60, 61, 62, 63]], [7, 9], max_tokens=6, output_log_probs=("FP32", last)
        ),
    )
    parts = list(backend(triton).generate(batch(max_tokens=6, logprobs=0)))
    found = [
        [entry for part in parts if part.row == row for entry in part.logprobs] for row in (0, 1)
    ]
    assert found == [
        [TokenLogprob(50, -0.5), TokenLogprob(51, -0.25)],
        [TokenLogprob(60 + i, value) for i, value in enumerate((-1.5, -1.25, -1.0, -0.75))],
    ]


def test_a_token_without_a_logprob_breaks_the_contract(triton: ScriptedTriton) -> None:
    values = [[[math.nan] * 6], [[-1.0] * 6]]
    triton.script = say(
        rows_message([[50], [60]], [5, 5], max_tokens=6, output_log_probs=("FP32", values))
    )
    with pytest.raises(BackendError):
        list(backend(triton).generate(batch(max_tokens=6, logprobs=0)))


def test_an_impossible_token_has_a_finite_logprob(triton: ScriptedTriton) -> None:
    """JSON has no infinity; OpenAI writes -9999.0 for very unlikely tokens."""
    values = [[[-math.inf, -1.0] * 3], [[-1.0] * 6]]
    triton.script = say(
        rows_message([[50], [60]], [6, 6], max_tokens=6, output_log_probs=("FP32", values))
    )
    parts = list(backend(triton).generate(batch(max_tokens=6, logprobs=0)))
    assert parts[0].logprobs[0] == TokenLogprob(50, -9999.0)


def test_a_row_that_is_missing_breaks_the_contract(triton: ScriptedTriton) -> None:
    triton.script = say(rows_message([[50]], [5], prompts=[PROMPT]))
    with pytest.raises(BackendError):
        list(backend(triton).generate(batch()))


def test_rows_with_a_vendors_own_flag_of_the_end(triton: ScriptedTriton) -> None:
    flags = ("BOOL", [[True], [False]])
    triton.script = say(
        rows_message([[50], [60]], [5, 5], finished=flags),
        rows_message([[50], [60, 61]], [5, 7], finished=("BOOL", [[True], [True]])),
    )
    parts = list(backend(triton).generate(batch()))
    assert rows_of(parts) == [[50], [60, 61]]
    assert [part.row for part in parts if part.finish_reason] == [0, 1]


def test_a_stream_that_ends_early_ends_every_row(triton: ScriptedTriton) -> None:
    triton.script = say(rows_message([[50], [60]], [5, 5]))
    parts = list(backend(triton).generate(batch()))
    assert rows_of(parts) == [[50], [60]]
    assert reasons_of(parts) == ["stop", "stop"]


@pytest.mark.parametrize(
    ("of_backend", "configured", "most", "expected"),
    [
        ("fastertransformer", None, 1024, 16),
        ("fastertransformer", None, 4, 4),
        ("fastertransformer", 2, 1024, 2),
        ("fastertransformer", 16, 4, 4),
        ("fastertransformer", None, 0, 1),
        ("python", None, 1024, 1),
        ("python", 8, 1024, 8),
    ],
)
def test_how_many_go_into_one_request(
    triton: ScriptedTriton, of_backend: str, configured: int | None, most: int, expected: int
) -> None:
    triton.config = model_config(backend=of_backend, max_batch_size=most)
    spec = LanguageModelSpec(
        name="chat",
        urls=(triton.address,),
        folder=Path(),
        triton_model="llm",
        batch_size=configured,
        timeouts=LIMITS,
        facts=GenerationFacts(start_id=1, end_id=END_ID, max_len=64),
    )
    served = FasterTransformer(spec, language_replicas(spec), tokenizer("byte_level_bpe"))
    assert served.capabilities().batch_size == expected
