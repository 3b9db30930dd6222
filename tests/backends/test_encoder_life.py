"""What a request with many batches holds in memory, and what a failing batch leaves behind."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from app import offload
from app.backends.encoder import MAX_CONCURRENT_BATCHES, MAX_NUMBERS_ON_LOOP, Encoder
from app.backends.encoder_batches import Row
from app.errors import BackendError
from app.triton.model_replicas import encoder_replicas
from tests.backends.encoders import (
    CONTEXT,
    LIMITS,
    embed,
    embedding,
    embedding_spec,
    encoder_config,
)
from tests.scripted_triton import Reply, ScriptedHttpTriton, tensor_reply, token_vectors

ROWS_OF_BATCH = 4
NUM_TOKENS, NUM_DIMS = 128, 256
BATCH_BYTES = ROWS_OF_BATCH * NUM_TOKENS * NUM_DIMS * 4
NUM_BATCHES = 96


@pytest.fixture
def large(http_triton: ScriptedHttpTriton) -> ScriptedHttpTriton:
    """A model whose answers are large, and made before anybody counts."""
    http_triton.config = encoder_config(outputs={"last_hidden_state": [-1, NUM_DIMS]})
    values = np.random.default_rng(7).random((ROWS_OF_BATCH, NUM_TOKENS, NUM_DIMS))
    reply = tensor_reply("last_hidden_state", values)
    http_triton.infer = lambda tensors: reply
    return http_triton


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_memory_does_not_grow_with_the_batches(large: ScriptedHttpTriton, pooling: str) -> None:
    """An answer is there twice while it is read; 8 at a time, that is 16 of 96."""
    served = embedding(large, pooling=pooling, max_tokens=NUM_TOKENS)
    rows = [[7] * NUM_TOKENS] * (ROWS_OF_BATCH * NUM_BATCHES)
    served.embed(rows[:ROWS_OF_BATCH], CONTEXT)
    tracemalloc.start()
    try:
        vectors = served.embed(rows, CONTEXT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(vectors) == len(rows)
    assert peak < 3 * MAX_CONCURRENT_BATCHES * BATCH_BYTES


def owner(array: Any) -> Any:
    """What holds the array's memory, which numpy's views may share."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


@pytest.mark.parametrize(
    "output",
    [("sentence_embedding", [3]), ("last_hidden_state", [-1, 3])],
    ids=lambda item: item[0],
)
def test_vectors_do_not_hold_on_to_their_batch(
    http_triton: ScriptedHttpTriton, output: tuple[str, list[int]]
) -> None:
    name, dims = output
    http_triton.config = encoder_config(outputs={name: dims})
    shape = (ROWS_OF_BATCH, *([2] if len(dims) > 1 else []), 3)
    http_triton.infer = lambda tensors: tensor_reply(name, np.ones(shape))
    served = embedding(http_triton, pooling="cls")
    vectors = served.embed([[7, 8]] * 4, CONTEXT)
    kept = {id(memory): memory.nbytes for memory in map(owner, vectors)}
    assert sum(kept.values()) == sum(vector.nbytes for vector in vectors)


@pytest.mark.parametrize(
    ("num_dims", "expected"),
    [(MAX_NUMBERS_ON_LOOP // 4, 0), (MAX_NUMBERS_ON_LOOP // 4 + 1, 1)],
)
def test_large_outputs_are_read_away_from_the_event_loop(
    http_triton: ScriptedHttpTriton,
    monkeypatch: pytest.MonkeyPatch,
    num_dims: int,
    expected: int,
) -> None:
    calls = []

    def run(function: Callable[[], Any]) -> Any:
        calls.append(function)
        return function()

    monkeypatch.setattr(offload, "run", run)
    http_triton.infer = lambda tensors: np.ones((1, 4, num_dims))
    embed(embedding(http_triton), [[7, 8, 9, 10]])
    assert len(calls) == expected


# ---- a batch that fails


def failing_second(slow: float) -> Callable[[dict[str, Any]], Any]:
    """The batch of the ids 101 fails at once, each of the others takes `slow` seconds."""

    def infer(tensors: dict[str, Any]) -> Any:
        if tensors["input_ids"][0, 0] == 101:
            return Reply(500, b'{"error":"out of memory"}')
        time.sleep(slow)
        return token_vectors(tensors)

    return infer


ROWS = [[100 + index // ROWS_OF_BATCH, 5] for index in range(60 * ROWS_OF_BATCH)]


def test_no_batch_is_sent_after_a_failure(http_triton: ScriptedHttpTriton) -> None:
    """Though one that was sent before is still awaited, as its place at Triton is taken."""
    http_triton.infer = failing_second(slow=1)
    with pytest.raises(BackendError):
        embed(embedding(http_triton), ROWS)
    assert len(http_triton.batches) < 30
    assert any(batch["input_ids"][0, 0] == 100 for batch in http_triton.batches)


def test_the_threads_of_a_failure_end(http_triton: ScriptedHttpTriton) -> None:
    http_triton.infer = failing_second(slow=0.1)
    with pytest.raises(BackendError):
        embed(embedding(http_triton), ROWS)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batch")]


class Result:
    """What can be referred to weakly."""


def test_the_results_of_the_others_are_not_kept(http_triton: ScriptedHttpTriton) -> None:
    """Not even as long as the error is: its traceback has the frames that worked."""
    http_triton.infer = failing_second(slow=0.1)
    spec = embedding_spec(http_triton, timeouts=LIMITS)
    encoder = Encoder(spec, encoder_replicas(spec))
    made: list[weakref.ref[Result]] = []

    def read(values: Any, masks: Any) -> Sequence[Result]:
        results = [Result() for _ in values]
        made.extend(map(weakref.ref, results))
        return results

    gc.disable()
    try:
        with pytest.raises(BackendError) as caught:
            encoder.encode([Row(ids) for ids in ROWS], "last_hidden_state", CONTEXT, read)
        assert caught.value.__traceback__ is not None
        assert made
        assert not [ref for ref in made if ref() is not None]
    finally:
        gc.enable()
