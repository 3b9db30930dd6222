"""FasterTransformer's contract as the bare client and the FastAPI baseline speak it.

https://github.com/triton-inference-server/fastertransformer_backend/blob/main/docs/gpt_guide.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)

DATATYPES: Mapping[str, tuple[str, Any]] = {
    "input_ids": ("UINT32", np.uint32),
    "input_lengths": ("UINT32", np.uint32),
    "request_output_len": ("UINT32", np.uint32),
    "start_id": ("UINT32", np.uint32),
    "end_id": ("UINT32", np.uint32),
    "runtime_top_k": ("UINT32", np.uint32),
    "runtime_top_p": ("FP32", np.float32),
    "temperature": ("FP32", np.float32),
    "repetition_penalty": ("FP32", np.float32),
    "random_seed": ("UINT64", np.uint64),
}


class ModelError(Exception):
    """What Triton says in a message of its own instead of an answer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt; `options` are further scalar tensors by their names in DATATYPES."""

    ids: Sequence[int]
    max_tokens: int
    options: Mapping[str, float]


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel to `host:port`; to be called where the event loop runs."""
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)


def open_stub(channel: grpc.aio.Channel) -> Any:
    """Triton's RPCs over the channel."""
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def infer_request(model: str, prompt: Prompt) -> Any:
    """A `ModelInferRequest` of batch 1, every tensor `[1, n]`."""
    request = service_pb2.ModelInferRequest(model_name=model)
    sizes = {"input_lengths": len(prompt.ids), "request_output_len": prompt.max_tokens}
    for name, value in {"input_ids": prompt.ids, **sizes, **prompt.options}.items():
        datatype, dtype = DATATYPES[name]
        array = np.array(value, dtype).reshape(1, -1)
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    return request


class NewIds:
    """Finds what each cumulative message adds; the cost does not grow with what was read."""

    def __init__(self, prompt_length: int) -> None:
        self._read = prompt_length
        self._places: tuple[int, int] | None = None

    def of(self, message: Any) -> Any:
        """The new ids as a view `[n]`. Raises ModelError if the message holds an error."""
        if message.error_message:
            raise ModelError(message.error_message)
        response = message.infer_response
        ids, length = self._places or self._find(response)
        raw = response.raw_output_contents
        row = np.frombuffer(raw[ids], np.uint32)
        start, self._read = self._read, int.from_bytes(raw[length][:4], "little")
        return row[start : self._read]

    def _find(self, response: Any) -> tuple[int, int]:
        names = [output.name for output in response.outputs]
        self._places = names.index("output_ids"), names.index("sequence_length")
        return self._places
