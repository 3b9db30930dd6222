"""FasterTransformer's contract: token ids in, the whole row of ids so far in every response.

Without decoupled transactions it answers once, and one request at a time.
"""

from __future__ import annotations

import json
from itertools import cycle, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

from demo.llm.scheduler import Scheduler
from demo.stub_counters import StubCounters
from demo.stub_tensors import new_tensor, read_tensor
from tests.faults.bench.models.gate import Gate
from tests.faults.bench.models.speech import Speech
from tests.faults.bench.script import Script

MIB = 2**20
BEYOND_THE_ROW = 1000

INPUTS = (
    "input_ids",
    "input_lengths",
    "request_output_len",
    "random_seed",
    "start_id",
    "end_id",
    "is_return_log_probs",
)


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the configuration; `args` are the backend's."""
        config = json.loads(args["model_config"])
        parameters = config.get("parameters", {})
        self.is_decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        self.gate = Gate(parameters.get("gate", {}).get("string_value"))
        self.counters = StubCounters(pb_utils, args["model_name"])
        self.scheduler = Scheduler()

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Queue the requests, or answer each at once where there are no streams."""
        if not self.is_decoupled:
            return [self._whole(request) for request in requests]
        for request in requests:
            row = Row.read(request)
            sender = request.get_response_sender()
            self.scheduler.submit(RowSpeech(sender, self.counters, pb_utils, row))
        return None

    def finalize(self) -> None:
        """Stop the scheduler's thread."""
        self.scheduler.stop()

    def _whole(self, request: Any) -> Any:
        row = Row.read(request)
        self.counters.add("started")
        self.gate.wait()
        self.counters.add("completed")
        self.counters.add("tokens", row.length)
        return pb_utils.InferenceResponse(output_tensors=row.tensors(row.length))


class Row:
    """The only row of a request, and its answer: the prompt's tokens without BOS, repeated."""

    def __init__(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        first = {name: int(values.reshape(-1)[0]) for name, values in tensors.items()}
        self.prompt = tensors["input_ids"].reshape(-1)[: first["input_lengths"]].astype(np.int64)
        self.length = first["request_output_len"]
        self.end_id = first.get("end_id", 0)
        self.script = Script.from_seed(first.get("random_seed", 0))
        self.has_log_probs = bool(first.get("is_return_log_probs", 0))
        kept = [token for token in self.prompt.tolist() if token != first.get("start_id")]
        self.answer = list(islice(cycle(kept or [0]), self.length))

    @classmethod
    def read(cls, request: Any) -> Row:
        """Of a request of the Python backend."""
        found = ((name, pb_utils.get_input_tensor_by_name(request, name)) for name in INPUTS)
        return cls({name: read_tensor(each) for name, each in found if each is not None})

    def tensors(self, num_words: int) -> list[Any]:
        """After so many tokens: `output_ids [1, 1, W]`, `sequence_length [1, 1]`."""
        outputs = {
            "output_ids": self._output_ids(num_words),
            "sequence_length": self._sequence_length(num_words),
        }
        if self.has_log_probs:
            outputs |= self._log_probs()
        if self.script.deed == "no_output":
            del outputs["output_ids"]
        return [new_tensor(pb_utils.Tensor, name, value) for name, value in outputs.items()]

    def _output_ids(self, num_words: int) -> npt.NDArray[Any]:
        deed, start = self.script.deed, len(self.prompt)
        row = np.full(start + self.length, self.end_id & 0xFFFFFFFF, np.uint32)
        row[:start] = self.prompt if deed != "prompt" else self.prompt + 1
        row[start : start + num_words] = self.answer[:num_words]
        if deed == "vocabulary":
            row[start : start + num_words] = 0x7FFFFFF0
        if deed == "huge":
            row = np.resize(row, self.script.at * MIB // 4)
        if deed == "dtype":
            return row.astype(np.float32)[None, None]
        return row if deed == "shape" else row[None, None]

    def _sequence_length(self, num_words: int) -> npt.NDArray[np.uint32]:
        length = len(self.prompt) + num_words
        if self.script.deed == "length":
            length += BEYOND_THE_ROW
        return np.array([[length]], np.uint32)

    def _log_probs(self) -> dict[str, npt.NDArray[np.float32]]:
        value = np.nan if self.script.deed == "nan" else -0.5
        return {
            "output_log_probs": np.full((1, 1, self.length), value, np.float32),
            "cum_log_probs": np.full((1, 1), value, np.float32),
        }


class RowSpeech(Speech):
    """A row that is spoken."""

    def __init__(self, sender: Any, counters: Any, stub: Any, row: Row) -> None:
        super().__init__(sender, counters, stub, row.script, row.length)
        self._row = row

    def tensors(self, num_words: int) -> list[Any]:
        """The row after so many tokens."""
        return self._row.tensors(num_words)
