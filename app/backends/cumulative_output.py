"""Reading FasterTransformer's cumulative answers: where the new tokens are, and what ends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.triton.errors import broken_contract
from app.triton.model_response import ModelResponse

MASK_32 = 0xFFFFFFFF
FLAGS = ("finished", "is_finished")
# JSON has no infinity; OpenAI's own servers write this of what is very unlikely.
LEAST_LOGPROB = -9999.0


@dataclass(frozen=True, slots=True)
class OutputRow:
    """Where one answer is in the outputs, and how long its row is if Triton adds no other.

    `padded_length` is the longest prompt of the request, `width` that and the most tokens asked
    for. The answer is beam `beam` of row `row`.
    """

    prompt_ids: Sequence[int]
    max_tokens: int
    padded_length: int
    width: int
    row: int = 0
    beam: int = 0


class CumulativeOutput:
    """The state of one answer: how many of its tokens have been read.

    Each message holds `output_ids [B, beams, W]`, which is the prompt, the tokens so far and a fill
    of `end_id`, and `sequence_length [B, beams]`, which counts the padded prompt and the tokens,
    and more where Triton batched the request with a longer prompt.
    """

    def __init__(
        self,
        place: OutputRow,
        end_id: int,
        vocabulary_size: int,
        *,
        needs_logprobs: bool,
    ) -> None:
        self._place = place
        self._prompt_ids = place.prompt_ids
        self._max_tokens = place.max_tokens
        self.end_id = end_id & MASK_32
        self._is_end_real = 0 <= end_id < vocabulary_size
        self._vocabulary_size = vocabulary_size
        self._needs_logprobs = needs_logprobs
        self._num_read = 0
        self._fill_start = -1
        self._length = 0
        # Of the messages that are being read, by `_examine`.
        self._layout: object = None
        self._width = self._row_start = self._length_index = self._num_padding = 0
        self._tells_logprobs = self._is_last = self._is_wide = False
        self._flags: Sequence[str] = ()
        self.has_end_token = False
        self.is_full = place.max_tokens <= 0
        self.is_finished = False
        self.logprobs: list[float] = []

    def read(self, response: ModelResponse) -> list[int]:
        """The ids that this message adds, without the end token; `logprobs` are theirs, if sent.

        Raises:
            BackendError: the message breaks the contract.
        """
        if response.layout is not self._layout:
            self._examine(response)
        start = len(self._prompt_ids)
        at = self._length_index
        length = response.integers("sequence_length", at, at + 1)[0] - self._num_padding
        if not start <= length <= self._width:
            raise broken_contract(
                f"sequence_length {length} for {start} prompt tokens in a row of {self._width} ids"
            )
        if self._num_read == 0:
            self._check_prompt(response)
        new = self._ids(response, start + self._num_read, length)
        if self.end_id in new:
            new = self._without_fill(new, length)
        del new[self._max_tokens - self._num_read :]
        if self._tells_logprobs:
            self.logprobs = self._logprobs(response, len(new))
        self._num_read += len(new)
        self._length = length
        self.is_full = self._num_read >= self._max_tokens
        self.is_finished = self._is_last or bool(self._flags and self._is_flagged(response))
        if new and max(new) >= self._vocabulary_size:
            raise broken_contract(f"token id {max(new)} is not in the vocabulary")
        return new

    def _examine(self, response: ModelResponse) -> None:
        """Find this answer's row, its length and its flags in messages of this layout."""
        ids, length = response.output("output_ids"), response.output("sequence_length")
        if ids is None or ids.dtype.kind not in "iu" or ids.ndim != 3 or ids.size < 1:
            raise broken_contract(
                f"output_ids is {None if ids is None else (ids.dtype, ids.shape)}"
            )
        if length is None or length.dtype.kind not in "iu":
            raise broken_contract("sequence_length is missing or no integer")
        self._is_wide = ids.itemsize > 4
        self._width = ids.shape[2]
        self._row_start = self._own_index(ids.shape[:2], "output_ids") * self._width
        self._length_index = self._own_index(length.shape, "sequence_length")
        # In a row as wide as this request alone makes it, only its own padding is counted too.
        is_own = self._width == self._place.width
        self._num_padding = self._place.padded_length - len(self._prompt_ids) if is_own else 0
        self._tells_logprobs = (
            self._needs_logprobs or response.output("output_log_probs") is not None
        )
        self._flags = [name for name in FLAGS if response.output(name) is not None]
        self._is_last = _has_final_flag(response)
        self._layout = response.layout

    def _ids(self, response: ModelResponse, start: int, stop: int) -> list[int]:
        """So many of this answer's row; a signed datatype's negative ones as without sign."""
        if start >= stop:
            return []
        first = self._row_start
        ids = response.integers("output_ids", first + start, first + stop)
        return [token_id & MASK_32 for token_id in ids] if self._is_wide else ids

    def _own_index(self, shape: tuple[int, ...], name: str) -> int:
        """Where this answer's item is in an output `[B, beams]` or, from some vendors, `[B]`."""
        row, beam = self._place.row, self._place.beam
        num_rows, num_beams = (*shape, 1, 1)[:2]
        if row >= num_rows or beam >= num_beams:
            raise broken_contract(f"{name} of shape {shape} has no row {row}, beam {beam}")
        return row * num_beams + beam

    def _own(self, values: NDArray[Any], name: str) -> Any:
        """This answer's item of an output `[B, beams, ...]` or, from some vendors, `[B]`."""
        index = self._own_index(values.shape, name)
        return values.reshape(-1, *values.shape[2:])[index]

    def _check_prompt(self, response: ModelResponse) -> None:
        if self._ids(response, 0, len(self._prompt_ids)) != list(self._prompt_ids):
            raise broken_contract("output_ids does not begin with the prompt")

    def _without_fill(self, generated: list[int], length: int) -> list[int]:
        first = generated.index(self.end_id)
        position = self._num_read + first
        self.has_end_token = (
            self._is_end_real and position < self._max_tokens and self._is_end(position, length)
        )
        return generated[:first]

    def _is_end(self, position: int, length: int) -> bool:
        """Whether the end_id at that generated position is a token, not fill.

        In a row as wide as this request alone makes it, `sequence_length` counts no fill. In a
        wider one, batched with longer prompts, an end is what stays in place while the length
        grows.
        """
        if self._width == self._place.width:
            return True
        has_stayed = position == self._fill_start and length > self._length
        self._fill_start = position
        return has_stayed

    def _logprobs(self, response: ModelResponse, num_new: int) -> list[float]:
        """Those of the new tokens; what is behind them in the output is not initialised."""
        values = response.output("output_log_probs")
        if not num_new:
            return []
        if values is None:
            if self._needs_logprobs:
                raise broken_contract("output_log_probs is missing")
            return []
        if values.ndim != 3 or values.dtype.kind != "f":
            raise broken_contract(f"output_log_probs is {values.dtype} of shape {values.shape}")
        own = self._own(values, "output_log_probs")[self._num_read : self._num_read + num_new]
        if len(own) != num_new or np.isnan(own).any():
            raise broken_contract(f"output_log_probs of shape {values.shape} lacks tokens")
        return [max(float(value), LEAST_LOGPROB) for value in own]

    def _is_flagged(self, response: ModelResponse) -> bool:
        flags = [response.output(name) for name in self._flags]
        return any(bool(self._own(flag, "finished")) for flag in flags if flag is not None)


def _has_final_flag(response: ModelResponse) -> bool:
    parameters = response.parameters
    name = "triton_final_response"
    return name in parameters and bool(parameters[name].bool_param)
