"""Reading TensorRT-LLM's answers: messages that hold only new tokens, or the whole at once.

https://github.com/NVIDIA/TensorRT-LLM, `triton_backend/inflight_batcher_llm`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.triton.errors import broken_contract


@dataclass(frozen=True, slots=True)
class DeltaPlace:
    """Which beam an answer is, and how much of it may come.

    `prompt_ids` are what its only message may begin with; none where each holds new tokens.
    """

    max_tokens: int
    beam: int = 0
    prompt_ids: Sequence[int] = ()


class DeltaOutput:
    """The state of one answer: how many of its tokens have been read.

    Each message holds `output_ids [1, beams, n]`, filled with -1 behind a shorter beam, and
    `sequence_length [1, beams]`, how many of them there are, which v0.5.0 leaves out.
    """

    # What a cumulative answer tells by its fill, or by a flag of its own.
    has_end_token = False
    is_finished = False

    def __init__(self, place: DeltaPlace, end_id: int, vocabulary_size: int) -> None:
        self._place = place
        self._vocabulary_size = vocabulary_size
        self._num_read = 0
        self.end_id = end_id
        self.logprobs: list[float] = []

    @property
    def is_full(self) -> bool:
        """True when as many tokens have come as were asked for."""
        return self._num_read >= self._place.max_tokens

    def read(self, response: Any) -> list[int]:
        """The ids that this message adds; `logprobs` are theirs, if sent.

        Raises:
            BackendError: the message breaks the contract.
        """
        row = self._row(response)
        ids = self._without_prompt(row[: self._length(response, row)])
        new = ids[: self._place.max_tokens - self._num_read]
        self.logprobs = self._logprobs(response, len(ids), len(new))
        self._num_read += len(new)
        return self._checked(new)

    def _row(self, response: Any) -> NDArray[np.int64]:
        ids = response.output("output_ids")
        if ids is None or ids.dtype.kind not in "iu" or ids.ndim != 3 or not len(ids):
            raise broken_contract(
                f"output_ids is {None if ids is None else (ids.dtype, ids.shape)}"
            )
        if self._place.beam >= ids.shape[1]:
            raise broken_contract(f"output_ids of shape {ids.shape} lacks beams")
        row: NDArray[np.int64] = ids[0, self._place.beam].astype(np.int64)
        return row

    def _length(self, response: Any, row: NDArray[np.int64]) -> int:
        counts = response.output("sequence_length")
        if counts is None:
            fill = np.flatnonzero(row < 0)
            return int(fill[0]) if len(fill) else len(row)
        flat = counts.reshape(-1)
        if counts.dtype.kind not in "iu" or self._place.beam >= len(flat):
            raise broken_contract(f"sequence_length is {counts.dtype} of shape {counts.shape}")
        length = int(flat[self._place.beam])
        if not 0 <= length <= len(row):
            raise broken_contract(f"sequence_length {length} in a row of {len(row)} ids")
        return length

    def _without_prompt(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        prompt = self._place.prompt_ids
        if prompt and np.array_equal(ids[: len(prompt)], prompt):
            return ids[len(prompt) :]
        return ids

    def _logprobs(self, response: Any, num_ids: int, num_new: int) -> list[float]:
        """Those of the new tokens.

        Some versions repeat those of all tokens in each message, others send the new ones:
        https://github.com/NVIDIA/TensorRT-LLM/pull/8785
        """
        values = response.output("output_log_probs")
        if values is None or not num_new:
            return []
        if values.ndim != 3 or values.dtype.kind != "f" or self._place.beam >= values.shape[1]:
            raise broken_contract(f"output_log_probs is {values.dtype} of shape {values.shape}")
        own = values[0, self._place.beam]
        start = 0 if len(own) == num_ids else self._num_read
        found = own[start : start + num_new]
        if len(found) != num_new or np.isnan(found).any():
            raise broken_contract(f"output_log_probs of shape {values.shape} lacks tokens")
        return [float(value) for value in found]

    def _checked(self, ids: NDArray[np.int64]) -> list[int]:
        found = [int(token_id) for token_id in ids]
        wrong = [token for token in found if not 0 <= token < self._vocabulary_size]
        if wrong:
            raise broken_contract(f"token id {wrong[0]} is not in the vocabulary")
        return found
