"""all-MiniLM-L6-v2 as an embedding model: token ids in, hidden states or sentence embeddings out.

Which of `last_hidden_state` `[B, S, 384]` and `sentence_embedding` `[B, 384]` it sends, and whether
`token_type_ids` are read, is what config.pbtxt declares; ids may be INT64 or INT32.
"""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from demo.minilm.encoder import Encoder
from demo.minilm.pooling import sentence_embeddings
from demo.stub_tensors import new_tensor, read_tensor


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights. `args` are the backend's: the model's configuration and folder."""
        config = json.loads(args["model_config"])
        path = config["parameters"]["model_path"]["string_value"]
        self.encoder = Encoder(Path(args["model_repository"], path))
        self.output_names = [each["name"] for each in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        ids, mask = _read(request, "input_ids"), _read(request, "attention_mask")
        try:
            hidden = self.encoder.encode(ids, mask, _read(request, "token_type_ids"))
        except ValueError as error:
            invalid = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=invalid)
        outputs = {"last_hidden_state": hidden}
        if "sentence_embedding" in self.output_names:
            outputs = {"sentence_embedding": sentence_embeddings(hidden, mask)}
        tensors = [new_tensor(pb_utils.Tensor, name, value) for name, value in outputs.items()]
        return pb_utils.InferenceResponse(output_tensors=tensors)


def _read(request: Any, name: str) -> Any:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else read_tensor(tensor)
