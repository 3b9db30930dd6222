"""A cross-encoder for clients: `[CLS] query [SEP] document [SEP]` in, one logit out.

Inside it compares MiniLM's embeddings of the two texts, see demo/minilm/pairs.py.
"""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from demo.minilm.encoder import Encoder
from demo.minilm.pairs import score_pairs
from demo.stub_tensors import new_tensor, read_tensor


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights. `args` are the backend's: the model's configuration and folder."""
        path = json.loads(args["model_config"])["parameters"]["model_path"]["string_value"]
        self.encoder = Encoder(Path(args["model_repository"], path))

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        names = ("input_ids", "attention_mask")
        ids, mask = (
            read_tensor(pb_utils.get_input_tensor_by_name(request, name)) for name in names
        )
        try:
            logits = score_pairs(self.encoder, ids, mask)
        except ValueError as error:
            invalid = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=invalid)
        tensor = new_tensor(pb_utils.Tensor, "logits", logits)
        return pb_utils.InferenceResponse(output_tensors=[tensor])
