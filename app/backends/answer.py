"""One answer from its first message to what ended it: end token, stop word, length or the end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from app.backends.cumulative_output import CumulativeOutput
from app.prompting.stop_sequences import StopTokens
from app.triton.errors import broken_contract
from app.types import Tokens

END = object()
SILENCE = Tokens()


class Answer:
    """Turns messages into tokens. The ids of a stop word are not part of the answer."""

    def __init__(
        self,
        output: CumulativeOutput,
        end_ids: Collection[int],
        stop_words: Sequence[Sequence[int]],
    ) -> None:
        self._output = output
        self._end_ids = frozenset(end_ids)
        self._last_ids = self._end_ids | {word[0] for word in stop_words if len(word) == 1}
        self._phrases = StopTokens([word for word in stop_words if len(word) > 1])
        self._has_begun = False
        self._is_stop_word = False
        self.is_over = False

    def tokens(self, message: Any) -> Tokens:
        """What a message adds; None is silence, END the end of the stream."""
        if message is None:
            return SILENCE
        if message is END:
            return self._at_end()
        self._has_begun = True
        ids: list[int] = []
        for token_id in self._output.read(message):
            if token_id in self._last_ids:
                is_end = token_id in self._end_ids
                self._is_stop_word = token_id != self._output.end_id
                return self._finish(ids, "stop", None if is_end else token_id)
            ids += self._phrases.push(token_id)
            if self._phrases.matched:
                self._is_stop_word = True
                return self._finish(ids, "stop", self._phrases.matched[-1])
        return self._verdict(ids)

    def has_ended_itself(self, knows_stop_words: bool) -> bool:
        """Whether the model stops by itself where the answer does."""
        return self.is_over and (knows_stop_words or not self._is_stop_word)

    def _verdict(self, ids: list[int]) -> Tokens:
        if self._output.has_end_token:
            return self._finish(ids, "stop")
        if self._output.is_full:
            return self._finish(ids, "length")
        if self._output.is_finished:
            return self._finish(ids, "stop")
        return Tokens(ids)

    def _at_end(self) -> Tokens:
        if not self._has_begun:
            raise broken_contract("the stream ended without an answer")
        return self._finish([], "length" if self._output.is_full else "stop")

    def _finish(self, ids: list[int], reason: str, stop_reason: int | None = None) -> Tokens:
        self.is_over = True
        return Tokens([*ids, *self._phrases.flush()], reason, stop_reason)
