"""Token ids to text as they come, and the stop strings in it, for the FastAPI baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers.decoders import DecodeStream


class Detokenizer:
    """tokenizers' own incremental decoding, which is done in Rust."""

    def __init__(self, tokenizer: Any, prompt_ids: Sequence[int]) -> None:
        """`tokenizer` is a `tokenizers.Tokenizer`; the prompt's end decides on leading spaces."""
        self._tokenizer = tokenizer
        self._stream = DecodeStream(ids=list(prompt_ids[-4:]), skip_special_tokens=True)
        self._pending: list[int] = []

    def push(self, ids: list[int]) -> str:
        """The text that is certain now."""
        text: str | None = self._stream.step(self._tokenizer, ids)
        if text is None:
            self._pending += ids
            return ""
        self._pending.clear()
        return text

    def flush(self) -> str:
        """What is left at the end: the start of a character, as U+FFFD."""
        if not self._pending:
            return ""
        text: str = self._tokenizer.decode(self._pending, skip_special_tokens=True)
        return text


class StopStrings:
    """Cuts a text at the first stop string, holding back only what may begin one."""

    def __init__(self, stops: Sequence[str]) -> None:
        """Stop strings must not be empty."""
        self._stops = stops
        self._held = ""
        self.is_stopped = False

    def push(self, text: str) -> str:
        """The text that is certain now."""
        if not self._stops:
            return text
        text = self._held + text
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        self.is_stopped = bool(places)
        certain = min(places) if places else len(text) - self._num_open(text)
        self._held = text[certain:]
        return text[:certain]

    def _num_open(self, text: str) -> int:
        """The length of the longest end of the text that begins a stop string."""
        longest = min(len(text), max(map(len, self._stops)) - 1)
        for size in range(longest, 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0

    def flush(self) -> str:
        """What was held back, at the end of a text without a stop string."""
        return "" if self.is_stopped else self._held
