"""Reading a job's answers off messages that hold token ids: rows as they grow, beams at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from app.backends.answer import Answer
from app.chunks import Tokens
from app.triton.contract import ModelContract
from app.triton.model_response import ReadOnce


class RowsReader:
    """Every message adds to each answer that has not ended; it `is_over` when all have."""

    def __init__(self, answers: Sequence[Answer], contract: ModelContract) -> None:
        self._answers = answers
        self._knows_words = "stop_words_list" in contract.inputs
        self.is_over = False

    def read(self, message: Any) -> Sequence[Tokens]:
        """What a message adds."""
        if len(self._answers) > 1:
            message = ReadOnce(message)
        is_over, added = True, []
        for answer in self._answers:
            if answer.is_over:
                continue
            tokens = answer.tokens(message)
            is_over = is_over and answer.is_over
            if tokens.ids or answer.is_over:
                added.append(tokens)
        self.is_over = is_over
        return added

    def at_end(self) -> Iterable[Tokens]:
        """What is left when the stream ends."""
        return [answer.at_end() for answer in self._answers if not answer.is_over]

    @property
    def has_ended_itself(self) -> bool:
        """Whether the model has stopped where its answers end."""
        return all(answer.has_ended_itself(self._knows_words) for answer in self._answers)


class BeamsReader(RowsReader):
    """Only the last message counts: until then a beam may still be replaced by another."""

    _last: Any = None

    def read(self, message: Any) -> Sequence[Tokens]:
        """Nothing yet."""
        self._last = message
        return ()

    def at_end(self) -> Iterable[Tokens]:
        """All that there is."""
        if self._last is not None:
            yield from super().read(self._last)
        yield from super().at_end()
