"""A running request: prompt chunks, then one token per row and step; the tensors of its messages.

The layout is FasterTransformer's, kernels/decoding_kernels.cu (gatherTree) and Llama.cc of
void-main/FasterTransformer @ e770ddf: the step is an absolute position, the padded prompt included.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from demo.llm.llama import CHUNK, Llama
from demo.llm.request import Request, RowRequest
from demo.llm.sampling import Choice, Sampler
from demo.llm.wordlists import banned_ids, is_stopped
from demo.weights import FloatArray


class Row:
    """One sequence of the batch while it is decoded."""

    def __init__(self, model: Llama, request: RowRequest, max_output_len: int) -> None:
        self.request = request
        # An empty prompt starts from start_id, which is not part of the output.
        self._prompt = request.prompt if len(request.prompt) else np.array([request.start_id])
        self._model = model
        self._cache = model.new_cache(len(self._prompt) + max_output_len)
        self._sampler = Sampler(request.sampling)
        self._logits: FloatArray | None = None
        # The padding stays in the history that word lists and penalties look at.
        self._history = np.concatenate([request.padded, np.zeros(max_output_len, np.int64)])
        # FasterTransformer compares the step with the limit after the token that reaches it, so a
        # row shorter than the longest of its batch gets one more; the longest is cut by the loop.
        self._limit = min(request.output_len + 1, max_output_len)
        self.choices: list[Choice] = []
        self.is_finished = False

    @property
    def is_prefilled(self) -> bool:
        """Whether the whole prompt is in the cache."""
        return self._cache.length >= len(self._prompt)

    @property
    def generated(self) -> list[int]:
        """New tokens so far, the end token or stop word included."""
        return [choice.token for choice in self.choices]

    def prefill(self) -> None:
        """Compute the next `CHUNK` tokens of the prompt."""
        start = self._cache.length
        self._logits = self._model.forward(self._prompt[start : start + CHUNK], self._cache)

    def step(self) -> None:
        """Add one token; finished by the end token, a stop word, or the length, in that order."""
        if self.is_finished:
            return
        logits = self._next_logits()
        tokens = self._tokens()
        seen = np.concatenate([self.request.prompt, tokens[len(self.request.padded) :]])
        banned = banned_ids(self.request.bad_words, tokens)
        choice = self._sampler.choose(logits, seen, banned)
        self._history[len(tokens)] = choice.token
        self.choices.append(choice)
        self.is_finished = (
            choice.token == self.request.end_id
            or is_stopped(self.request.stop_words, self._tokens())
            or len(self.choices) >= self._limit
        )

    def _next_logits(self) -> FloatArray:
        """The prompt's logits once, then those after the last token."""
        if self._logits is None:
            return self._model.forward(np.array([self.choices[-1].token]), self._cache)
        logits, self._logits = self._logits, None
        return logits

    def _tokens(self) -> npt.NDArray[np.int64]:
        return self._history[: len(self.request.padded) + len(self.choices)]


@dataclass
class Generation:
    """All rows of a request: call `advance` until `is_done`, look at `has_message` after each."""

    model: Llama
    request: Request
    callback_step: int
    num_steps: int = 0
    rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        longest = self.request.max_output_len
        self.rows = [Row(self.model, row, longest) for row in self.request.rows]

    @property
    def is_done(self) -> bool:
        """Whether every row has finished or the longest output is full."""
        all_finished = all(row.is_finished for row in self.rows)
        return all_finished or self.num_steps >= self.request.max_output_len

    @property
    def has_message(self) -> bool:
        """Whether the callback sends now: every `callback_step` positions, never at the end."""
        position = self.request.max_input_len + self.num_steps
        return self.num_steps > 0 and not self.is_done and position % self.callback_step == 0

    @property
    def num_tokens(self) -> int:
        """Tokens generated so far, all rows."""
        return sum(len(row.choices) for row in self.rows)

    def advance(self) -> bool:
        """One unit of work: a chunk of a prompt, or one token of every row; True for the latter."""
        waiting = next((row for row in self.rows if not row.is_prefilled), None)
        if waiting is not None:
            waiting.prefill()
            return False
        for row in self.rows:
            row.step()
        self.num_steps += 1
        return True

    def outputs(self) -> dict[str, npt.NDArray[Any]]:
        """A message's tensors: output_ids `[B, 1, total]`, the others `[B, 1]` or `[B, 1, out]`."""
        total = self.request.max_input_len + self.request.max_output_len
        lengths = [self.request.max_input_len + len(row.choices) for row in self.rows]
        outputs: dict[str, npt.NDArray[Any]] = {
            "output_ids": np.stack([_output_ids(row, total) for row in self.rows])[:, None],
            "sequence_length": np.array(lengths, np.int64)[:, None],
            "finished": np.array([row.is_finished for row in self.rows])[:, None],
        }
        if self.request.has_log_probs:
            width = self.request.max_output_len
            log_probs = [_log_probs(row, width) for row in self.rows]
            sums = [sum(choice.full_log_prob for choice in row.choices) for row in self.rows]
            outputs["output_log_probs"] = np.stack(log_probs)[:, None]
            outputs["cum_log_probs"] = np.array(sums, np.float32)[:, None]
        return outputs


def _output_ids(row: Row, total: int) -> npt.NDArray[np.int64]:
    """Prompt without its padding, generated tokens, end_id to the end: `[total]`."""
    ids = np.full(total, row.request.end_id, np.int64)
    prompt, generated = row.request.prompt, row.generated
    ids[: len(prompt)] = prompt
    ids[len(prompt) : len(prompt) + len(generated)] = generated
    return ids


def _log_probs(row: Row, width: int) -> FloatArray:
    """`[width]`; not-a-number behind the generated tokens, where FasterTransformer has garbage."""
    values = np.full(width, np.nan, np.float32)
    values[: len(row.choices)] = [choice.log_prob for choice in row.choices]
    return values
