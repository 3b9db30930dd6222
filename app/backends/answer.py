"""One answer of token ids, from its first message to what ended it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.chunks import TokenLogprob, Tokens
from app.prompting.stop_sequences import StopTokens
from app.triton.errors import broken_contract


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends an answer, beside its length.

    The ids of `stop_words` are not part of the answer; those of `stop_token_ids` are if
    `has_stop_in_output`.
    """

    end_ids: frozenset[int] = frozenset()
    stop_words: Sequence[Sequence[int]] = ()
    stop_token_ids: frozenset[int] = frozenset()
    has_stop_in_output: bool = False


class Output(Protocol):
    """What a contract makes of messages: the new tokens, and whether there can be more.

    `logprobs` are those of the tokens that were read last, if the model was asked for them.
    """

    end_id: int
    has_end_token: bool
    is_finished: bool
    logprobs: list[float]

    def read(self, response: Any) -> list[int]:
        """The ids that a message adds, without the end token."""

    @property
    def is_full(self) -> bool:
        """True when as many tokens have come as were asked for."""


class Answer:
    """Turns messages into tokens."""

    def __init__(self, output: Output, ends: Ends, row: int = 0) -> None:
        self._output = output
        self._ends = ends
        self._row = row
        words = ends.stop_words
        single = {word[0] for word in words if len(word) == 1}
        self._last_ids = ends.end_ids | ends.stop_token_ids | single
        phrases = [word for word in words if len(word) > 1]
        self._phrases = StopTokens(phrases)
        self._has_no_phrases = not phrases
        self._logprobs: deque[TokenLogprob] = deque()
        self._has_begun = False
        self._is_stop_word = False
        self.is_over = False

    def tokens(self, message: Any) -> Tokens:
        """What a message adds."""
        self._has_begun = True
        ids: list[int] = []
        new = self._output.read(message)
        if self._output.logprobs:
            pairs = zip(new, self._output.logprobs, strict=True)
            self._logprobs += [TokenLogprob(token_id, value) for token_id, value in pairs]
        if self._has_no_phrases and self._last_ids.isdisjoint(new):
            return self._verdict(new)
        for token_id in new:
            if token_id in self._last_ids:
                return self._at_last(ids, token_id)
            ids += self._phrases.push(token_id)
            if self._phrases.matched:
                self._is_stop_word = True
                return self._finish(ids, "stop", self._phrases.matched[-1])
        return self._verdict(ids)

    def at_end(self) -> Tokens:
        """What is left when the stream has ended.

        Raises:
            BackendError: it has ended without an answer.
        """
        if not self._has_begun:
            raise broken_contract("the stream ended without an answer")
        return self._finish([], "length" if self._output.is_full else "stop")

    def has_ended_itself(self, knows_stop_words: bool) -> bool:
        """Whether the model stops by itself where the answer does."""
        return self.is_over and (knows_stop_words or not self._is_stop_word)

    def _at_last(self, ids: list[int], token_id: int) -> Tokens:
        ends = self._ends
        self._is_stop_word = token_id != self._output.end_id
        if token_id in ends.end_ids:
            return self._finish(ids, "stop")
        if token_id in ends.stop_token_ids and ends.has_stop_in_output:
            ids += [*self._phrases.flush(), token_id]
        return self._finish(ids, "stop", token_id)

    def _verdict(self, ids: list[int]) -> Tokens:
        output = self._output
        if not (output.has_end_token or output.is_full or output.is_finished):
            return self._made(ids) if self._logprobs else Tokens(ids, row=self._row)
        is_cut = output.is_full and not output.has_end_token
        return self._finish(ids, "length" if is_cut else "stop")

    def _finish(self, ids: list[int], reason: str, stop_reason: int | None = None) -> Tokens:
        self.is_over = True
        return self._made([*ids, *self._phrases.flush()], reason, stop_reason)

    def _made(
        self, ids: list[int], reason: str | None = None, stop_reason: int | None = None
    ) -> Tokens:
        if not self._logprobs:
            return Tokens(ids, reason, stop_reason, row=self._row)
        count = min(len(ids), len(self._logprobs))
        logprobs = tuple(self._logprobs.popleft() for _ in range(count))
        return Tokens(ids, reason, stop_reason, logprobs=logprobs, row=self._row)
