"""Reading FasterTransformer's cumulative answers: where the new tokens are, and what ends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.triton.errors import broken_contract

MASK_32 = 0xFFFFFFFF
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
        self._index = (place.row, place.beam)
        self._prompt_ids = place.prompt_ids
        self._max_tokens = place.max_tokens
        self.end_id = end_id & MASK_32
        self._is_end_real = 0 <= end_id < vocabulary_size
        self._vocabulary_size = vocabulary_size
        self._needs_logprobs = needs_logprobs
        self._num_read = 0
        self._fill_start = -1
        self._length = 0
        self.has_end_token = False
        self.is_finished = False
        self.logprobs: list[float] = []

    def read(self, response: Any) -> list[int]:
        """The ids that this message adds, without the end token; `logprobs` are theirs, if sent.

        Raises:
            BackendError: the message breaks the contract.
        """
        row = self._row(response)
        start = len(self._prompt_ids)
        length = self._sequence_length(response, len(row))
        if not start <= length <= len(row):
            raise broken_contract(
                f"sequence_length {length} for {start} prompt tokens in a row of {len(row)} ids"
            )
        if self._num_read == 0:
            self._check_prompt(row)
        new = self._without_fill(_ids(row[start + self._num_read : length]), len(row), length)
        del new[self._max_tokens - self._num_read :]
        self.logprobs = self._logprobs(response, len(new))
        self._num_read += len(new)
        self._length = length
        self.is_finished = self._is_flagged(response)
        return self._checked(new)

    @property
    def is_full(self) -> bool:
        """True when as many tokens have come as were asked for."""
        return self._num_read >= self._max_tokens

    def _row(self, response: Any) -> NDArray[Any]:
        ids = response.output("output_ids")
        if ids is None or ids.dtype.kind not in "iu" or ids.ndim != 3 or ids.size < 1:
            raise broken_contract(
                f"output_ids is {None if ids is None else (ids.dtype, ids.shape)}"
            )
        found: NDArray[Any] = self._own(ids, "output_ids")
        return found

    def _sequence_length(self, response: Any, width: int) -> int:
        length = response.output("sequence_length")
        if length is None or length.dtype.kind not in "iu":
            raise broken_contract("sequence_length is missing or no integer")
        counted = int(self._own(length, "sequence_length"))
        if width == self._place.width:
            # Nothing but this request's own padding is counted.
            counted -= self._place.padded_length - len(self._prompt_ids)
        return counted

    def _own(self, values: NDArray[Any], name: str) -> Any:
        """This answer's item of an output `[B, beams, ...]` or, from some vendors, `[B]`."""
        if values.ndim < 2:
            values = values.reshape(-1, 1)
        try:
            return values[self._index]
        except IndexError:
            row, beam = self._index
            raise broken_contract(
                f"{name} of shape {values.shape} has no row {row}, beam {beam}"
            ) from None

    def _check_prompt(self, row: NDArray[Any]) -> None:
        if _ids(row[: len(self._prompt_ids)]) != list(self._prompt_ids):
            raise broken_contract("output_ids does not begin with the prompt")

    def _without_fill(self, generated: list[int], width: int, length: int) -> list[int]:
        if self.end_id not in generated:
            return generated
        first = generated.index(self.end_id)
        position = self._num_read + first
        self.has_end_token = (
            self._is_end_real
            and position < self._max_tokens
            and self._is_end(position, width, length)
        )
        return generated[:first]

    def _is_end(self, position: int, width: int, length: int) -> bool:
        """Whether the end_id at that generated position is a token, not fill.

        In a row as wide as this request alone makes it, `sequence_length` counts no fill. In a
        wider one, batched with longer prompts, an end is what stays in place while the length
        grows.
        """
        if width == self._place.width:
            return True
        has_stayed = position == self._fill_start and length > self._length
        self._fill_start = position
        return has_stayed

    def _logprobs(self, response: Any, num_new: int) -> list[float]:
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

    def _is_flagged(self, response: Any) -> bool:
        parameters = response.parameters
        if "triton_final_response" in parameters and parameters["triton_final_response"].bool_param:
            return True
        flag = response.output("finished")
        if flag is None:
            flag = response.output("is_finished")
        return flag is not None and bool(self._own(flag, "finished"))

    def _checked(self, ids: list[int]) -> list[int]:
        if ids and max(ids) >= self._vocabulary_size:
            raise broken_contract(f"token id {max(ids)} is not in the vocabulary")
        return ids


def _ids(values: NDArray[Any]) -> list[int]:
    """Token ids; a signed datatype's negative ones are as the unsigned one has them."""
    ids: list[int] = values.tolist()
    return ids if values.dtype.kind == "u" else [token_id & MASK_32 for token_id in ids]
