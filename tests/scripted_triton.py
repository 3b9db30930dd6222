"""Two Tritons that answer what a test tells them to: one speaks gRPC, the other HTTP.

Both are real servers on loopback, so a test sees what really goes over the wire.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor, triton_to_np_dtype

NUMPY_TYPES = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BF16": triton_to_np_dtype("BF16"),
    "BYTES": np.object_,
}

# The inputs of void-main's llama. Name, datatype, dims, optional.
LLAMA_INPUTS = (
    ("input_ids", "UINT32", [-1], False),
    ("input_lengths", "UINT32", [1], False),
    ("request_output_len", "UINT32", [-1], False),
    ("start_id", "UINT32", [1], True),
    ("end_id", "UINT32", [1], True),
    ("runtime_top_k", "UINT32", [1], True),
    ("runtime_top_p", "FP32", [1], True),
    ("temperature", "FP32", [1], True),
    ("repetition_penalty", "FP32", [1], True),
    ("random_seed", "UINT64", [1], True),
    ("is_return_log_probs", "BOOL", [1], True),
    ("beam_width", "UINT32", [1], True),
    ("bad_words_list", "INT32", [2, -1], True),
    ("stop_words_list", "INT32", [2, -1], True),
    ("prompt_learning_task_name_ids", "UINT32", [1], True),
)
LLAMA_OUTPUTS = {"output_ids": "UINT32", "sequence_length": "UINT32"}


def model_config(
    inputs: Iterable[tuple[str, str, list[int], bool]] = LLAMA_INPUTS,
    *,
    backend: str = "fastertransformer",
    max_batch_size: int = 1024,
    outputs: Mapping[str, str] = LLAMA_OUTPUTS,
    is_decoupled: bool = True,
    parameters: Mapping[str, str] | None = None,
) -> Any:
    """Triton's `ModelConfig` of a language model; `outputs` are datatypes by name."""
    config = model_config_pb2.ModelConfig(
        name="llm", backend=backend, max_batch_size=max_batch_size
    )
    config.model_transaction_policy.decoupled = is_decoupled
    for name, text in (parameters or {}).items():
        config.parameters[name].string_value = text
    for name, datatype, dims, is_optional in inputs:
        config.input.add(name=name, data_type=_type(datatype), dims=dims, optional=is_optional)
    for name, datatype in outputs.items():
        config.output.add(name=name, data_type=_type(datatype), dims=[-1])
    return config


def _type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def message(outputs: Mapping[str, tuple[str, Any]], *, final: bool | None = None) -> Any:
    """One answer with these outputs, each (datatype, nested list)."""
    response = service_pb2.ModelStreamInferResponse()
    for name, (datatype, values) in outputs.items():
        array = np.asarray(values, NUMPY_TYPES[datatype])
        response.infer_response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        response.infer_response.raw_output_contents.append(_raw(array))
    if final is not None:
        response.infer_response.parameters["triton_final_response"].bool_param = final
    return response


def _raw(array: Any) -> bytes:
    if array.dtype == np.object_:
        return b"".join(len(item).to_bytes(4, "little") + item for item in array.flat)
    return bytes(array.tobytes())


def row_message(
    row: Sequence[int],
    length: int,
    *,
    datatype: str = "UINT32",
    final: bool | None = None,
    **more: tuple[str, Any],
) -> Any:
    """FasterTransformer's message: a whole row of ids and its sequence_length."""
    row = [value & 0xFFFFFFFF for value in row] if datatype == "UINT32" else row
    outputs = {"output_ids": (datatype, [[row]]), "sequence_length": (datatype, [[length]])}
    return message({**outputs, **more}, final=final)


def error_message(text: str) -> Any:
    return service_pb2.ModelStreamInferResponse(error_message=text)


def sent(request: Any) -> dict[str, tuple[str, Any]]:
    """The tensors of a request as (datatype, nested list)."""
    return {
        tensor.name: (tensor.datatype, _elements(tensor, raw).reshape(tensor.shape).tolist())
        for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
    }


def _elements(tensor: Any, raw: bytes) -> Any:
    if tensor.datatype == "BYTES":
        return np.array([item.decode() for item in deserialize_bytes_tensor(raw)], object)
    return np.frombuffer(raw, NUMPY_TYPES[tensor.datatype])


def value(request: Any, name: str) -> Any:
    """The only element of a request's tensor."""
    return np.ravel(sent(request)[name][1])[0]


@dataclass
class Generated:
    """Answers as FasterTransformer would: these new ids, in steps, then the end."""

    new_ids: Sequence[int]
    end_id: int = 2
    step: int = 1
    delay: float = 0.0
    stays_open: float = 0.0

    def __call__(self, request: Any, _: Any) -> Iterator[Any]:
        prompt = sent(request)["input_ids"][1][0]
        width = len(prompt) + int(value(request, "request_output_len"))
        ids = [*prompt, *self.new_ids][:width]
        for length in [*range(len(prompt) + self.step, len(ids), self.step), len(ids)]:
            time.sleep(self.delay)
            yield row_message([*ids[:length], *[self.end_id] * (width - length)], length)
        time.sleep(self.stays_open)


Script = Callable[[Any, grpc.ServicerContext], Iterator[Any]]


class ScriptedTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Triton's gRPC side. Its attributes are what it does next, and what it was asked."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(32)
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self.reset()

    def reset(self) -> None:
        """Forget the last test."""
        self.config: Any = model_config()
        self.before_config: Callable[[grpc.ServicerContext], None] = lambda _: None
        self.is_ready = True
        self.script: Script = Generated([5, 6, 7, 2])
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.num_configs = 0
        self.open_calls: set[Any] = set()
        self.cancelled = threading.Event()
        self.ended = threading.Event()

    def stop(self) -> None:
        self._server.stop(0).wait()
        self._pool.shutdown(wait=False)

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  # Triton's name
        self.num_configs += 1
        self.before_config(context)
        return service_pb2.ModelConfigResponse(config=self.config)

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802  # Triton's name
        return service_pb2.ModelReadyResponse(ready=self.is_ready)

    def ModelStreamInfer(self, requests: Any, context: Any) -> Any:  # noqa: N802  # Triton's
        for request in requests:
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            yield from self._watched(self.script(request, context), context)

    def _watched(self, answers: Iterator[Any], context: Any) -> Iterator[Any]:
        # Kept here, because a call may outlive its test.
        open_calls, ended, cancelled = self.open_calls, self.ended, self.cancelled
        is_complete = False
        open_calls.add(context)
        context.add_callback(lambda: (ended if is_complete else cancelled).set())
        try:
            for answer in answers:
                if not context.is_active():
                    return
                yield answer
            is_complete = True
        finally:
            open_calls.discard(context)


def refuse(code: grpc.StatusCode, text: str) -> Script:
    """A script that ends the call with a status."""

    def script(_: Any, context: Any) -> Iterator[Any]:
        context.abort(code, text)
        yield

    return script


def slowly(*answers: Any) -> Script:
    """A script that leaves its reader time for each of these messages."""

    def script(_: Any, __: Any) -> Iterator[Any]:
        for answer in answers:
            yield answer
            time.sleep(0.1)

    return script


class WhenItMay:
    """A script that says nothing before it `may_go_on`, or only its first messages."""

    def __init__(self, script: Script, num_at_once: int = 0) -> None:
        self.may_go_on = threading.Event()
        self._script = script
        self._num_at_once = num_at_once

    def __call__(self, request: Any, context: Any) -> Iterator[Any]:
        answers = self._script(request, context)
        yield from islice(answers, self._num_at_once)
        assert self.may_go_on.wait(60)
        yield from answers

    def read(self, pieces: Iterable[bytes], sign: bytes) -> bytes:
        """All of a body; the script goes on as soon as the sign has come."""
        received = b""
        for piece in pieces:
            received += piece
            if sign in received:
                self.may_go_on.set()
        return received


def say(*answers: Any, then_silent: float = 0.0) -> Script:
    """A script that sends these messages, whatever was asked."""

    def script(_: Any, context: Any) -> Iterator[Any]:
        yield from answers
        until = time.monotonic() + then_silent
        while time.monotonic() < until and context.is_active():
            time.sleep(0.01)

    return script


@dataclass
class Reply:
    """An HTTP answer as it is, sent in `pieces` with `delay` seconds between them."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pieces: int = 1
    # Close the connection afterwards without having said so.
    then_closes: bool = False


class Closed(Exception):
    """Close the connection without an answer."""


ENCODER_CONFIG = {
    "name": "encoder",
    "backend": "onnxruntime",
    "max_batch_size": 4,
    "input": [
        {"name": "input_ids", "data_type": "TYPE_INT64", "dims": ["-1"]},
        {"name": "attention_mask", "data_type": "TYPE_INT64", "dims": ["-1"]},
        {"name": "token_type_ids", "data_type": "TYPE_INT64", "dims": ["-1"]},
    ],
    "output": [{"name": "last_hidden_state", "data_type": "TYPE_FP32", "dims": ["-1", "3"]}],
}


def tensor_reply(name: str, array: Any, datatype: str = "FP32") -> Reply:
    """Triton's binary answer with one output."""
    raw = np.ascontiguousarray(array, NUMPY_TYPES[datatype]).tobytes()
    output = {
        "name": name,
        "datatype": datatype,
        "shape": list(np.shape(array)),
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"model_name": "m", "model_version": "1", "outputs": [output]}).encode()
    headers = {
        "Inference-Header-Content-Length": str(len(head)),
        "Content-Type": "application/octet-stream",
    }
    return Reply(200, head + raw, headers)


class ScriptedHttpTriton:
    """Triton's HTTP side, for embedding and rerank models."""

    def __init__(self) -> None:
        self._server = _HttpServer(("127.0.0.1", 0), _Handler)
        self._server.triton = self  # type: ignore[attr-defined]
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        # The polling interval is how long stopping takes.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.reset()

    def reset(self) -> None:
        """Forget the last test."""
        # Of every model; None for vectors, and for scores of the one that is named a reranker.
        self.config: Any = None
        self.ready: Callable[[], Reply] = Reply
        self.infer: Callable[[dict[str, Any]], Any] = token_vectors
        self.output = "last_hidden_state"
        self.batches: list[dict[str, Any]] = []
        self.datatypes: dict[str, str] = {}
        self.heads: list[Any] = []
        self.headers: list[Any] = []
        self.num_configs = 0

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Any, body: bytes) -> Reply:
        if path.endswith("/config"):
            self.num_configs += 1
            if isinstance(self.config, Reply):
                return self.config
            scores = path.endswith("/reranker/config")
            config = self.config or (encoder_of_scores() if scores else ENCODER_CONFIG)
            return Reply(200, json.dumps(config).encode())
        if path.endswith("/ready"):
            return self.ready()
        return self._infer(headers, body)

    def _infer(self, headers: Any, body: bytes) -> Reply:
        size = int(headers["Inference-Header-Content-Length"])
        head, rest = json.loads(body[:size]), body[size:]
        tensors = {}
        for tensor in head["inputs"]:
            length = tensor["parameters"]["binary_data_size"]
            raw, rest = rest[:length], rest[length:]
            self.datatypes[tensor["name"]] = tensor["datatype"]
            array = np.frombuffer(raw, NUMPY_TYPES[tensor["datatype"]])
            tensors[tensor["name"]] = array.reshape(tensor["shape"])
        self.batches.append(tensors)
        self.heads.append(head)
        self.headers.append(headers)
        answer = self.infer(tensors)
        return answer if isinstance(answer, Reply) else tensor_reply(self.output, answer)


def token_vectors(tensors: Mapping[str, Any]) -> Any:
    """`[B, S, 3]`: each token's vector is (its id, 1, 0), also of the padding."""
    ids = tensors["input_ids"]
    return np.stack([ids, np.ones_like(ids), np.zeros_like(ids)], axis=-1)


def encoder_of_scores() -> dict[str, Any]:
    """The configuration of a cross-encoder."""
    output = {"name": "logits", "data_type": "TYPE_FP32", "dims": ["1"]}
    return {**ENCODER_CONFIG, "output": [output]}


def score_by_length(tensors: Mapping[str, Any]) -> Any:
    """`[B, 1]`: a logit that grows with the number of tokens."""
    return (tensors["attention_mask"].sum(axis=1, keepdims=True) - 6) / 4


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    # Of the default of 5 that connect at once, a sixth would wait for a second.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Two small writes in a row would otherwise wait for the client's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # http.server's name
        self._answer(b"")

    def do_POST(self) -> None:  # http.server's name
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        try:
            reply = self.server.triton.answer(self.path, self.headers, body)  # type: ignore[attr-defined]
        except Closed:
            self.close_connection = True
            return
        self.close_connection = self.close_connection or reply.then_closes
        size = -(-len(reply.body) // reply.pieces) or 1
        time.sleep(reply.delay if reply.pieces == 1 else 0)
        self.send_response(reply.status)
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        if "Transfer-Encoding" in headers:
            del headers["Content-Length"]
        for name, given in headers.items():
            self.send_header(name, given)
        self.end_headers()
        try:
            for start in range(0, len(reply.body), size):
                self.wfile.write(reply.body[start : start + size])
                self.wfile.flush()
                time.sleep(reply.delay if reply.pieces > 1 else 0)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass
