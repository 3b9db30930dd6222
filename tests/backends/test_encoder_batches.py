"""How texts become batches."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.encoder_batches import split_by_length
from app.cancellation import Cancellation
from app.errors import BackendError, ClientDisconnected
from app.types import RequestContext
from tests.backends.encoders import embed, embedding, encoder_config
from tests.scripted_triton import ScriptedHttpTriton, token_vectors


@given(st.lists(st.integers(1, 512), min_size=1, max_size=200), st.integers(1, 64))
def test_every_text_is_in_one_batch_that_is_not_too_large(lengths: list[int], most: int) -> None:
    batches = split_by_length(lengths, most)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= most for batch in batches)


@given(st.lists(st.integers(1, 512), min_size=1, max_size=200), st.integers(1, 64))
def test_little_of_a_batch_is_padding(lengths: list[int], most: int) -> None:
    for batch in split_by_length(lengths, most):
        found = [lengths[index] for index in batch]
        assert max(found) <= max(2 * min(found), min(found) + 32)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_equal_lengths_need_no_more_batches_than_they_must(
    count: int, length: int, most: int
) -> None:
    assert len(split_by_length([length] * count, most)) == -(-count // most)


def test_more_texts_than_a_batch_are_answered_in_order(http_triton: ScriptedHttpTriton) -> None:
    rows = [[100 + index] * (1 + index % 7 * 20) for index in range(23)]
    vectors = embed(embedding(http_triton), rows)
    assert [vector[0] for vector in vectors] == [float(row[0]) for row in rows]
    assert max(len(batch["input_ids"]) for batch in http_triton.batches) <= 4


def test_batches_are_sent_at_the_same_time(http_triton: ScriptedHttpTriton) -> None:
    together = threading.Barrier(3, timeout=60)

    def infer(tensors: dict[str, Any]) -> Any:
        together.wait()
        return token_vectors(tensors)

    http_triton.infer = infer
    assert len(embed(embedding(http_triton), [[1]] * 12)) == 12


def test_a_model_without_batching_gets_whole_rows(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(
        inputs={"input_ids": ("INT64", [-1, -1]), "attention_mask": ("INT64", [-1, -1])},
        outputs={"last_hidden_state": [-1, -1, 3]},
        max_batch_size=0,
    )
    assert embed(embedding(http_triton), [[7, 8]]) == [[7.0, 1.0, 0.0]]
    assert http_triton.batches[0]["input_ids"].shape == (1, 2)


def test_only_declared_tensors_are_sent_in_their_datatype(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(
        inputs={"input_ids": ("INT32", [-1]), "attention_mask": ("FP32", [-1])}
    )
    embed(embedding(http_triton), [[7, 8]])
    assert http_triton.datatypes == {"input_ids": "INT32", "attention_mask": "FP32"}


def test_other_names_of_the_three_inputs(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(
        inputs={name: ("INT64", [-1]) for name in ("input_ids", "input_mask", "segment_ids")}
    )
    embed(embedding(http_triton), [[7, 8, 9], [5]])
    batch = http_triton.batches[0]
    order = np.argsort(batch["input_ids"][:, 1])
    assert batch["input_mask"][order].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert not batch["segment_ids"].any()


def test_a_configured_input_name(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(
        inputs={"tokens": ("INT64", [-1]), "attention_mask": ("INT64", [-1])}
    )
    http_triton.infer = lambda tensors: token_vectors({"input_ids": tensors["tokens"]})
    served = embedding(http_triton, inputs={"input_ids": "tokens"})
    assert embed(served, [[7, 8]]) == [[7.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    "inputs",
    [
        {"tokens": ("INT64", [-1])},
        {"input_ids": ("INT64", [-1]), "position_ids": ("INT64", [-1])},
        {"input_ids": ("STRING", [-1])},
    ],
)
def test_inputs_that_nobody_can_fill_are_the_backends_error(
    http_triton: ScriptedHttpTriton, inputs: dict[str, tuple[str, list[int]]]
) -> None:
    http_triton.config = encoder_config(inputs=inputs)
    with pytest.raises(BackendError):
        embed(embedding(http_triton), [[7]])


def test_a_fixed_width_is_padded_to(http_triton: ScriptedHttpTriton) -> None:
    http_triton.config = encoder_config(
        inputs={"input_ids": ("INT64", [6]), "attention_mask": ("INT64", [6])},
        outputs={"last_hidden_state": [6, 3]},
    )
    assert embed(embedding(http_triton, pooling="mean"), [[7, 9]]) == [[8.0, 1.0, 0.0]]
    assert http_triton.batches[0]["input_ids"].tolist() == [[7, 9, 0, 0, 0, 0]]
    assert http_triton.batches[0]["attention_mask"].tolist() == [[1, 1, 0, 0, 0, 0]]


def test_what_is_not_there_is_the_tokenizers_padding(http_triton: ScriptedHttpTriton) -> None:
    embed(embedding(http_triton, pad_id=99), [[7, 8, 9], [5]])
    batch = http_triton.batches[0]
    assert sorted(batch["input_ids"].tolist()) == [[5, 99, 99], [7, 8, 9]]
    assert not batch["token_type_ids"].any()


@pytest.mark.parametrize(
    ("width", "expected"), [(-1, 32), (6, 6), (32, 32), (512, 32)], ids=lambda value: str(value)
)
def test_a_row_is_no_longer_than_the_tensors(
    http_triton: ScriptedHttpTriton, width: int, expected: int
) -> None:
    """The configured limit is 32."""
    http_triton.config = encoder_config(inputs={"input_ids": ("INT64", [width])})
    assert embedding(http_triton).max_tokens() == expected


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_a_fixed_number_of_rows_is_filled_up(http_triton: ScriptedHttpTriton, count: int) -> None:
    """Exports without Triton's batching whose own batch is fixed: dims [3, -1]."""
    http_triton.config = encoder_config(
        inputs={"input_ids": ("INT64", [3, -1]), "attention_mask": ("INT64", [3, -1])},
        outputs={"last_hidden_state": [3, -1, 3]},
        max_batch_size=0,
    )
    rows = [[7 + index, 8] for index in range(count)]
    assert embed(embedding(http_triton), rows) == [[float(row[0]), 1.0, 0.0] for row in rows]
    assert {batch["input_ids"].shape for batch in http_triton.batches} == {(3, 2)}
    assert len(http_triton.batches) == -(-count // 3)


def test_a_row_that_is_too_long_is_the_backends_error(http_triton: ScriptedHttpTriton) -> None:
    """A model that became shorter meanwhile is told, not sent what it does not take."""
    http_triton.config = encoder_config(inputs={"input_ids": ("INT64", [4])})
    with pytest.raises(BackendError):
        embed(embedding(http_triton), [[1, 2, 3, 4, 5]])


def test_the_request_id_goes_along(http_triton: ScriptedHttpTriton) -> None:
    embed(embedding(http_triton), [[7]])
    assert http_triton.heads[0]["id"] == "request-7"


def test_nothing_is_sent_for_a_client_that_has_gone(http_triton: ScriptedHttpTriton) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(ClientDisconnected):
        embedding(http_triton).embed([[1]], RequestContext("7", cancellation))
    assert http_triton.batches == []
