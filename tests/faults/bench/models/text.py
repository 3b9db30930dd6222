"""The contract of Triton's vLLM backend: a prompt in, the next piece of text in every response."""

from __future__ import annotations

import json
from itertools import cycle, islice
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from demo.llm.scheduler import Scheduler
from demo.stub_counters import StubCounters
from demo.stub_tensors import new_tensor
from tests.faults.bench.models.speech import Speech
from tests.faults.bench.script import Script
from tests.live.contracts.stub_strings import new_strings, prepare, read_strings

MIB = 2**20
NO_TEXT = b"\xff\xfe\x80 "

prepare(pb_utils)


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        """`args` are the backend's."""
        self.counters = StubCounters(pb_utils, args["model_name"])
        self.scheduler = Scheduler()

    def execute(self, requests: list[Any]) -> None:
        """Queue the requests."""
        for request in requests:
            text, parameters = (
                read_strings(pb_utils, pb_utils.get_input_tensor_by_name(request, name))
                .reshape(-1)[0]
                .decode()
                for name in ("text_input", "sampling_parameters")
            )
            sender = request.get_response_sender()
            self.scheduler.submit(TextSpeech(sender, self.counters, text, json.loads(parameters)))

    def finalize(self) -> None:
        """Stop the scheduler's thread."""
        self.scheduler.stop()


class TextSpeech(Speech):
    """The prompt's words, repeated, each with a space behind it."""

    def __init__(self, sender: Any, counters: Any, prompt: str, parameters: dict[str, Any]) -> None:
        script = Script.from_seed(int(parameters.get("seed") or 0))
        length = int(parameters.get("max_tokens") or 16)
        super().__init__(sender, counters, pb_utils, script, length)
        self._words = list(islice(cycle(prompt.split() or ["nothing"]), length))

    def tensors(self, num_words: int) -> list[Any]:
        """The newest word."""
        deed, is_last = self._script.deed, num_words == self._length
        value = f"{self._words[num_words - 1]} ".encode()
        if deed == "utf8":
            value = NO_TEXT
        if deed == "huge":
            value = b"x" * (self._script.at * MIB)
        reason = b"length" if is_last else b"None"
        texts = [] if deed == "no_output" else [self._text(value)]
        return [*texts, new_strings(pb_utils, "finish_reason", _strings(reason))]

    def _text(self, value: bytes) -> Any:
        if self._script.deed == "dtype":
            return new_tensor(pb_utils.Tensor, "text_output", np.zeros(1, np.int32))
        values = _strings(value, value) if self._script.deed == "shape" else _strings(value)
        return new_strings(pb_utils, "text_output", values)


def _strings(*values: bytes) -> Any:
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array
