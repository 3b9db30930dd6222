"""FasterTransformer's contract without a model: known tokens, at a pace, for many streams.

Each stream gets `tokens_per_second` tokens from its start on, `callback_step` in a message; what is
late is sent at once, so the pace is kept on average. Every message is cumulative and in full size,
and the last one carries the FINAL flag, as FasterTransformer's do. One thread serves all streams.
It answers requests of one row; an end token never comes before `request_output_len` is reached.
"""

import heapq
import itertools
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from demo.stub_tensors import new_tensor, read_tensor

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
CANCEL_SECONDS = 0.1
"""How often a stream looks whether it was cancelled; each look asks Triton's own process."""

QUIET_SECONDS = 0.02
"""How long nothing is sent before a last response: see demo/repository/demo-chat/1/model.py."""

DEFAULT_END_ID = 2


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the parameters; `args` are the backend's: configuration, name and folder."""
        config = json.loads(args["model_config"])["parameters"]
        values = {name: each["string_value"] for name, each in config.items()}
        self.step = int(values["callback_step"])
        self.seconds = self.step / float(values["tokens_per_second"])
        ids = (Path(args["model_repository"]) / values["tokens_file"]).read_text().split()
        self.tokens = np.array(ids, np.uint32)
        self.clock = Clock()

    def execute(self, requests: list[Any]) -> None:
        """Start the streams and return at once."""
        for request in requests:
            self.clock.add(Stream(self, request))

    def finalize(self) -> None:
        """Stop the thread."""
        self.clock.stop()


class Stream:
    """One request: its row of ids is written once, and shown a little longer in each message."""

    def __init__(self, owner: TritonPythonModel, request: Any) -> None:
        self._sender = request.get_response_sender()
        self._step, self._seconds = owner.step, owner.seconds
        prompt = _read(request, "input_ids").reshape(-1)
        self._end_id = int(_read(request, "end_id", DEFAULT_END_ID).flat[0])
        self._num_new = int(_read(request, "request_output_len").flat[0])
        self._length = len(prompt)
        self._row = np.full(len(prompt) + self._num_new, self._end_id, np.uint32)
        self._row[: len(prompt)] = prompt
        self._answer = np.resize(owner.tokens, self._num_new)
        self._next_look = 0.0
        self._is_cancelled = False
        self.due = time.monotonic() + owner.seconds

    def run(self) -> bool:
        """Send what is due; False after the last message."""
        if self._is_cancelled:
            return self._end_cancelled()
        if self._looks_cancelled():
            self._is_cancelled = True
            self.due = time.monotonic() + QUIET_SECONDS
            return True
        self._advance()
        is_last = self._length == len(self._row)
        self._sender.send(self._message(), flags=FINAL if is_last else 0)
        self.due += self._seconds
        if self._length + self._step >= len(self._row):
            self.due = max(self.due, time.monotonic() + QUIET_SECONDS)
        return not is_last

    def _looks_cancelled(self) -> bool:
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + CANCEL_SECONDS
        return bool(self._sender.is_cancelled())

    def _end_cancelled(self) -> bool:
        error = pb_utils.TritonError("request was cancelled", pb_utils.TritonError.CANCELLED)
        self._sender.send(pb_utils.InferenceResponse(error=error), flags=FINAL)
        return False

    def _advance(self) -> None:
        start, end = self._length, min(self._length + self._step, len(self._row))
        first = start - (len(self._row) - self._num_new)
        self._row[start:end] = self._answer[first : first + end - start]
        self._length = end

    def _message(self) -> Any:
        arrays = {
            "output_ids": self._row.reshape(1, 1, -1),
            "sequence_length": np.array([[self._length]], np.uint32),
        }
        tensors = [new_tensor(pb_utils.Tensor, name, array) for name, array in arrays.items()]
        return pb_utils.InferenceResponse(output_tensors=tensors)


class Clock:
    """One thread that runs each stream when it is due."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Stream]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="pace", daemon=True)
        self._thread.start()

    def add(self, stream: Stream) -> None:
        """Run it from its `due` on."""
        with self._changed:
            heapq.heappush(self._waiting, (stream.due, next(self._numbers), stream))
            if self._waiting[0][2] is stream:
                self._changed.notify()

    def stop(self) -> None:
        """End; streams that are not finished stay so."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (stream := self._next()) is not None:
            if stream.run():
                self.add(stream)

    def _next(self) -> Stream | None:
        with self._changed:
            while not self._is_stopping:
                if not self._waiting:
                    self._changed.wait()
                elif (seconds := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(seconds)
                else:
                    return heapq.heappop(self._waiting)[2]
        return None


def _read(request: Any, name: str, default: int | None = None) -> Any:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return np.array([default]) if tensor is None else read_tensor(tensor)
