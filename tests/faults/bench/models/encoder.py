"""An embedding model or a cross-encoder that does what one of the text's words asks for.

The output's name and width are the configuration's; its values follow from the ids alone.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

from demo.stub_counters import StubCounters
from demo.stub_tensors import new_tensor, read_tensor
from tests.faults.bench.models.gate import Gate

HUGE_BYTES = 100 * 2**20
SLEEP_SECONDS = 5.0


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read what the words mean; `args` are the backend's."""
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        self.deeds = {int(token): deed for token, deed in json.loads(parameters["deeds"]).items()}
        self.gate = Gate(parameters.get("gate"))
        self.output = config["output"][0]["name"]
        self.width = int(config["output"][0]["dims"][0])
        self.counters = StubCounters(pb_utils, args["model_name"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        self.counters.add("started")
        ids = read_tensor(pb_utils.get_input_tensor_by_name(request, "input_ids"))
        deed = next((self.deeds[token] for token in ids.flat if token in self.deeds), "")
        self.gate.wait()
        if deed == "hang":
            time.sleep(SLEEP_SECONDS)
        if deed == "exit":
            os._exit(1)
        self.counters.add("failed" if deed == "error" else "completed")
        if deed == "error":
            error = pb_utils.TritonError("scripted secret=/root/x")
            return pb_utils.InferenceResponse(error=error)
        values = _as_asked(deed, vectors(ids, self.width))
        tensors = [] if values is None else [new_tensor(pb_utils.Tensor, self.output, values)]
        return pb_utils.InferenceResponse(output_tensors=tensors)


def vectors(ids: npt.NDArray[Any], width: int) -> npt.NDArray[np.float32]:
    """`[B, width]`, each from its row's ids alone."""
    waves = np.sin(ids[:, :, None] * np.arange(1, width + 1))
    found: npt.NDArray[np.float32] = waves.sum(axis=1).astype(np.float32)
    return found


def _as_asked(deed: str, values: npt.NDArray[np.float32]) -> npt.NDArray[Any] | None:
    """What becomes of the right values, None for no output at all."""
    if deed == "no_output":
        return None
    changed: dict[str, npt.NDArray[Any]] = {"dtype": values.astype(np.int32)}
    changed["shape"] = np.repeat(values[:, None], 2, axis=1)[:, :, :, None]
    changed["short"] = values[:0]
    changed["nan"] = np.full_like(values, np.nan)
    changed["infinite"] = np.full_like(values, np.inf)
    if deed == "huge":
        return np.zeros((len(values), HUGE_BYTES // 4 // len(values)), np.float32)
    return changed.get(deed, values)
