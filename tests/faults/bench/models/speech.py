"""An answer that is being spoken: the prompt's own words again and again, one at a time.

So the text of every answer is known from its prompt, and words of another answer stand out.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.faults.bench.script import Script

POLL_SECONDS = 0.05
QUIET_SECONDS = 0.02
"""As in demo-chat: Triton may not survive a last response right behind a cancelled message."""

SILENT = ("hang", "no_final")
SCRIPTED_ERROR = "scripted secret=/root/x"
Response = Callable[[], None]


class Speech(ABC):
    """One request in the scheduler of demo/llm/scheduler.py."""

    def __init__(self, sender: Any, counters: Any, stub: Any, script: Script, length: int) -> None:
        """`stub` is Triton's own module; `length` is how many words there are."""
        self._sender = sender
        self._counters = counters
        self._stub = stub
        self._script = script
        self._length = length
        self._num_words = 0
        self._delay = script.delay_ms / 1000
        self._next_word_at = time.monotonic() + self._delay
        self._last: Response | None = None
        self._quiet_at = 0.0
        self.ready_at = 0.0
        counters.add("started")

    @abstractmethod
    def tensors(self, num_words: int) -> list[Any]:
        """The tensors of a response after so many words, as the script has them."""

    def run_unit(self) -> bool:
        """One word; False once the last response is sent."""
        if self._last is not None:
            return self._end(self._last)
        if self._sender.is_cancelled():
            code = self._stub.TritonError.CANCELLED
            self._close("cancelled", partial(self._send_error, "cancelled", code))
        else:
            self._speak()
        return True

    def _speak(self) -> None:
        now = time.monotonic()
        is_at_deed = self._num_words >= self._script.at
        if self._script.deed in SILENT and is_at_deed:
            self.ready_at = now + POLL_SECONDS
        elif self._next_word_at > now:
            self.ready_at = min(self._next_word_at, now + POLL_SECONDS)
        elif self._script.deed == "exit" and is_at_deed:
            os._exit(1)
        elif self._script.deed == "error" and is_at_deed:
            code = self._stub.TritonError.INTERNAL
            self._close("failed", partial(self._send_error, SCRIPTED_ERROR, code))
        else:
            self._say_word()

    def _say_word(self) -> None:
        self._num_words += 1
        self._next_word_at += self._delay
        self._counters.add("tokens")
        if self._script.deed == "no_response":
            self._close("completed", partial(self._sender.send, flags=self._final))
        elif self._num_words >= self._length:
            self._close("completed", partial(self._send, self._num_words, self._final))
        else:
            self._send(self._num_words, 0)
            self._quiet_at = time.monotonic() + QUIET_SECONDS

    def _close(self, counter: str, last: Response) -> None:
        self._counters.add(counter)
        self._last = last
        self._quiet_at = time.monotonic() + QUIET_SECONDS

    def _end(self, last: Response) -> bool:
        self.ready_at = self._quiet_at
        if time.monotonic() < self._quiet_at:
            return True
        last()
        if self._script.deed == "double_final":
            self._send_behind_the_end()
        return False

    def _send_behind_the_end(self) -> None:
        try:
            self._send(self._num_words, self._final)
        except Exception as error:
            # The stub of 2.51.0 refuses it, so no client can ever see one.
            self._stub.Logger.log_warn(f"a second final response: {error}")

    def _send(self, num_words: int, flags: int) -> None:
        response = self._stub.InferenceResponse(output_tensors=self.tensors(num_words))
        self._sender.send(response, flags=flags)

    def _send_error(self, text: str, code: Any) -> None:
        error = self._stub.TritonError(text, code)
        self._sender.send(self._stub.InferenceResponse(error=error), flags=self._final)

    @property
    def _final(self) -> int:
        return int(self._stub.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
