"""One answer on its way to the screen, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from app.client.chat_stream import ChatChunk
from app.terminal.escapes import printable
from app.terminal.styles import styled


@dataclass(slots=True)
class AnswerReader:
    """Writes an answer to `out` as it comes. Reasoning is written only if it `shows_reasoning`."""

    out: TextIO
    shows_reasoning: bool
    text: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    _started: float = field(default_factory=time.monotonic)
    _first: float | None = None
    _last: float = 0.0
    _num_events: int = 0
    _is_reasoning: bool = False

    def read(self, chunks: Iterable[ChatChunk]) -> None:
        """Write all of it. Raises what the chunks raise; what came before that is written."""
        for chunk in chunks:
            self._note(chunk)
            self._write_reasoning(chunk.reasoning)
            self._write_text(chunk.text)

    def _note(self, chunk: ChatChunk) -> None:
        if chunk.text or chunk.reasoning:
            self._last = time.monotonic()
            self._first = self._first or self._last
            self._num_events += 1
        self.finish_reason = chunk.finish_reason or self.finish_reason
        if chunk.completion_tokens is not None:
            self.prompt_tokens = chunk.prompt_tokens
            self.completion_tokens = chunk.completion_tokens

    def _write_reasoning(self, text: str) -> None:
        if text and self.shows_reasoning:
            self._is_reasoning = True
            self._write(styled(printable(text), self.out, "dim"))

    def _write_text(self, text: str) -> None:
        if not text:
            return
        if self._is_reasoning:
            self._is_reasoning = False
            self._write("\n\n")
        self.text += text
        self._write(printable(text))

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()

    def figures(self) -> str:
        """Tokens and speed, as far as they are known."""
        parts = [self._tokens()]
        if self._first is not None:
            parts.append(self._speed())
            parts.append(f"first after {self._first - self._started:.2f} s")
        if self.finish_reason == "length":
            parts.append("cut at the longest answer")
        return ", ".join(part for part in parts if part)

    def _tokens(self) -> str:
        if self.completion_tokens is None:
            return f"{self._num_events} pieces"
        prompt = f"{self.prompt_tokens} tokens in, " if self.prompt_tokens is not None else ""
        return f"{prompt}{self.completion_tokens} out"

    def _speed(self) -> str:
        """Of the whole answer, the wait for its beginning included."""
        count = self.completion_tokens or self._num_events
        unit = "tokens" if self.completion_tokens is not None else "pieces"
        seconds = max(self._last - self._started, 1e-6)
        return f"{count / seconds:.1f} {unit}/s"
