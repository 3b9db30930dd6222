"""Raw gRPC to the contracts, without any gateway."""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

NAMES = {
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int32": "INT32",
    "float32": "FP32",
    "bool": "BOOL",
    "object": "BYTES",
}

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Message:
    """One response: its tensors by name, its flag, its error."""

    tensors: dict[str, np.ndarray]
    is_final: bool
    error: str | None = None

    def text(self) -> str:
        """Its one text_output."""
        (text,) = self.tensors["text_output"].reshape(-1)
        return text.decode()


class Stream:
    """One ModelStreamInfer call with one request; empty final responses are shown."""

    def __init__(self, url: str, model: str, arrays: Arrays, request_id: str = "") -> None:
        self._answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self._client = grpc_client.InferenceServerClient(url)
        self._client.start_stream(lambda result, error: self._answers.put((result, error)))
        self._client.async_stream_infer(
            model,
            _inputs(arrays),
            request_id=request_id,
            enable_empty_final_response=True,
        )

    def next(self) -> Message:
        """The next response."""
        result, error = self._answers.get(timeout=60)
        if error is not None:
            return Message({}, True, error.message())
        response = result.get_response()
        tensors = {output.name: result.as_numpy(output.name) for output in response.outputs}
        return Message(tensors, response.parameters["triton_final_response"].bool_param)

    def rest(self) -> list[Message]:
        """Every response up to the final one."""
        with contextlib.closing(self._client):
            messages = [self.next()]
            while not messages[-1].is_final:
                messages.append(self.next())
        return messages

    def cancel(self) -> None:
        """Leave."""
        self._client.stop_stream(cancel_requests=True)
        self._client.close()


class ContractClient:
    """Requests in each contract's own tensors; options are added by name."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stream(self, model: str, arrays: Arrays, request_id: str = "") -> Stream:
        """Start one request."""
        return Stream(self.url, model, arrays, request_id)

    def messages(self, model: str, arrays: Arrays) -> list[Message]:
        """All responses of one request."""
        return self.stream(model, arrays).rest()

    def unary(self, model: str, arrays: Arrays) -> Message:
        """The answer of a model that is not decoupled."""
        with grpc_client.InferenceServerClient(self.url) as client:
            try:
                result = client.infer(model, _inputs(arrays))
            except InferenceServerException as error:
                return Message({}, True, error.message())
        response = result.get_response()
        return Message({each.name: result.as_numpy(each.name) for each in response.outputs}, True)

    def config(self, model: str) -> Any:
        """The model's configuration."""
        with grpc_client.InferenceServerClient(self.url) as client:
            return client.get_model_config(model).config


def _inputs(arrays: Arrays) -> list[Any]:
    inputs = []
    for name, array in arrays.items():
        tensor = grpc_client.InferInput(name, array.shape, NAMES[array.dtype.name])
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


FLOATS = {
    "temperature",
    "runtime_top_p",
    "top_p",
    "len_penalty",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "embedding_bias_weights",
    "embedding_bias",
}
FLAGS = {
    "streaming",
    "stream",
    "stop",
    "return_log_probs",
    "return_context_logits",
    "return_generation_logits",
    "return_num_input_tokens",
    "return_num_output_tokens",
    "exclude_input_in_output",
}


def tensor_request(rows: list[list[int]], max_tokens: int, **options: Any) -> Arrays:
    """A request to tensorrt_llm; an option is one value for every row, or an array."""
    width = max(map(len, rows))
    padded = [row + [0] * (width - len(row)) for row in rows]
    arrays = {
        "input_ids": np.array(padded, np.int32),
        "input_lengths": np.array([[len(row)] for row in rows], np.int32),
        **_options({"request_output_len": max_tokens, "end_id": 2, **options}, len(rows)),
    }
    return {name: array for name, array in arrays.items() if array is not None}


def tensor_request_v05(rows: list[list[int]], max_tokens: int, **options: Any) -> Arrays:
    """The same in the types of v0.5.0."""
    arrays = dict(tensor_request(rows, max_tokens, **options))
    for name in ("request_output_len", "end_id", "runtime_top_k", "min_length"):
        if name in arrays:
            arrays[name] = arrays[name].astype(np.uint32)
    return arrays


def text_request(texts: list[str], max_tokens: int, **options: Any) -> Arrays:
    """A request to ensemble or tensorrt_llm_bls."""
    return {
        "text_input": strings([[text] for text in texts]),
        **_options({"max_tokens": max_tokens, **options}, len(texts)),
    }


def text_request_v05(texts: list[str], max_tokens: int, **options: Any) -> Arrays:
    """The same with the types and the required words of v0.5.0."""
    empty = strings([[""]] * len(texts))
    arrays = {"bad_words": empty, "stop_words": empty, **text_request(texts, max_tokens, **options)}
    return {**arrays, "max_tokens": arrays["max_tokens"].astype(np.uint32)}


def vllm_request(text: str, parameters: Mapping[str, Any] | str, **flags: bool) -> Arrays:
    """A request to vLLM; greedy unless `parameters` say otherwise."""
    if not isinstance(parameters, str):
        parameters = json.dumps({"temperature": 0, **parameters})
    return {
        "text_input": strings([text]),
        "sampling_parameters": strings([parameters]),
        **{name: np.array([flag]) for name, flag in flags.items()},
    }


def strings(values: list[Any]) -> np.ndarray:
    """Nested lists of texts as a BYTES tensor."""
    array = np.array(values, np.object_)
    return np.vectorize(lambda text: text.encode(), otypes=[np.object_])(array)


def _options(options: Mapping[str, Any], num_rows: int) -> dict[str, Any]:
    return {name: _option(name, value, num_rows) for name, value in options.items()}


def _option(name: str, value: Any, num_rows: int) -> Any:
    if value is None or isinstance(value, np.ndarray):
        return value
    if isinstance(value, str):
        return strings([[value]] * num_rows)
    return np.array([[value]] * num_rows, _dtype(name))


def _dtype(name: str) -> Any:
    if name in FLOATS:
        return np.float32
    if name in FLAGS:
        return np.bool_
    return np.uint64 if name in ("random_seed", "seed") else np.int32
