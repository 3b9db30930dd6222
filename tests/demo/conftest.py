"""A raw client of the real Triton of all tests, which has the demo's models and every variant."""

import contextlib
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client

from demo.counters import Counters, read_counters
from demo.triton import TritonServer
from tests.live.waiting import wait_until

DTYPES = {
    "input_ids": np.uint32,
    "input_lengths": np.uint32,
    "request_output_len": np.uint32,
    "start_id": np.uint32,
    "end_id": np.uint32,
    "runtime_top_k": np.uint32,
    "runtime_top_p": np.float32,
    "temperature": np.float32,
    "repetition_penalty": np.float32,
    "presence_penalty": np.float32,
    "random_seed": np.uint64,
    "is_return_log_probs": np.bool_,
    "beam_width": np.uint32,
    "len_penalty": np.float32,
    "beam_search_diversity_rate": np.float32,
    "min_length": np.uint32,
    "bad_words_list": np.int32,
    "stop_words_list": np.int32,
    "prompt_learning_task_name_ids": np.uint32,
    "mask_positions": np.int32,
}

TRITON_NAMES = {
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int32": "INT32",
    "int64": "INT64",
    "float32": "FP32",
    "bool": "BOOL",
}

COUNTED = ("demo-chat", "ft-slow", "ft-drain", "ft-step1", "ft-mask")
"""Models whose counters a test compares."""

NEVER = 0xFFFFFFFF
"""An end_id that the model cannot emit."""


def as_inputs(module: Any, arrays: Mapping[str, np.ndarray]) -> list[Any]:
    """Arrays as `InferInput`s of tritonclient.grpc or tritonclient.http."""
    inputs = []
    for name, array in arrays.items():
        tensor = module.InferInput(name, array.shape, TRITON_NAMES[array.dtype.name])
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def language_arrays(
    rows: list[list[int]], output_len: int, **options: Any
) -> dict[str, np.ndarray]:
    """The tensors of a batch of prompts, padded with 0; options `[B, 1]` or one value for all."""
    width = max(map(len, rows))
    values = {
        "input_ids": [row + [0] * (width - len(row)) for row in rows],
        "input_lengths": [[len(row)] for row in rows],
        "request_output_len": [[output_len]] * len(rows),
        "end_id": [[NEVER]] * len(rows),
    }
    for name, value in options.items():
        values[name] = value if isinstance(value, list) else [[value]] * len(rows)
    return {name: np.array(value, DTYPES[name]) for name, value in values.items()}


@dataclass(frozen=True)
class Message:
    """One message of a stream: tensors by name, Triton's final flag, and its arrival."""

    tensors: dict[str, np.ndarray]
    is_final: bool
    arrived: float

    @property
    def ids(self) -> np.ndarray:
        return self.tensors["output_ids"]

    @property
    def length(self) -> int:
        return int(self.tensors["sequence_length"].reshape(-1)[0])


class Stream:
    """One ModelStreamInfer call with one request, half-closed."""

    def __init__(self, url: str, model: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._answers: queue.Queue[tuple[Any, Any, float]] = queue.Queue()
        self._client = grpc_client.InferenceServerClient(url)
        self._client.start_stream(self._receive)
        self._client.async_stream_infer(model, as_inputs(grpc_client, arrays))

    def next(self, timeout: float = 60.0) -> Message:
        """The next message; raises the stream's error, or `queue.Empty`."""
        result, error, arrived = self._answers.get(timeout=timeout)
        if error is not None:
            raise error
        response = result.get_response()
        tensors = {output.name: result.as_numpy(output.name) for output in response.outputs}
        is_final = response.parameters["triton_final_response"].bool_param
        return Message(tensors, is_final, arrived)

    def rest(self) -> list[Message]:
        """Every message up to the final one."""
        with contextlib.closing(self._client):
            messages = [self.next()]
            while not messages[-1].is_final:
                messages.append(self.next())
        return messages

    def cancel(self) -> None:
        self._client.stop_stream(cancel_requests=True)
        self._client.close()

    def _receive(self, result: Any, error: Any) -> None:
        self._answers.put((result, error, time.monotonic()))


class DemoClient:
    """Raw calls to the models, without any gateway."""

    def __init__(self, server: TritonServer) -> None:
        self.server = server
        self.http = http_client.InferenceServerClient(server.http_url)
        self.grpc = grpc_client.InferenceServerClient(server.grpc_url)

    def stream(
        self, rows: list[list[int]], output_len: int, model: str = "demo-chat", **options: Any
    ) -> Stream:
        arrays = language_arrays(rows, output_len, **options)
        return Stream(self.server.grpc_url, model, arrays)

    def messages(self, rows: list[list[int]], output_len: int, **options: Any) -> list[Message]:
        return self.stream(rows, output_len, **options).rest()

    def generated(self, prompt: list[int], output_len: int, **options: Any) -> list[int]:
        """The new tokens of one prompt, as the contract says to read them."""
        last = self.messages([prompt], output_len, **options)[-1]
        return [int(token) for token in last.ids[0, 0, len(prompt) : last.length]]

    def infer(self, model: str, **arrays: np.ndarray) -> Any:
        return self.http.infer(model, as_inputs(http_client, arrays))

    def counters(self, model: str = "demo-chat") -> Counters:
        return read_counters(self.server.metrics_url, model)

    def num_running(self, model: str) -> int:
        """How many of its requests have not ended."""
        now = self.counters(model)
        return now.started - now.completed - now.cancelled - now.failed


@pytest.fixture(scope="session")
def client(tritonserver: TritonServer) -> Iterator[DemoClient]:
    demo_client = DemoClient(tritonserver)
    yield demo_client
    # An open HTTP connection would delay Triton's exit.
    demo_client.http.close()
    demo_client.grpc.close()


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest) -> None:
    """A test that asks Triton begins when what others have left there has ended."""
    if "client" in request.fixturenames:
        client: DemoClient = request.getfixturevalue("client")
        wait_until(
            lambda: max(map(client.num_running, COUNTED)) <= 0, "the end of others' requests"
        )


@pytest.fixture(name="language_arrays")
def language_arrays_fixture() -> Callable[..., dict[str, np.ndarray]]:
    return language_arrays


@pytest.fixture(name="as_inputs")
def as_inputs_fixture() -> Callable[..., list[Any]]:
    return as_inputs


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds."""
    return lambda condition: wait_until(condition, "what was waited for")
