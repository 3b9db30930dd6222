"""numpy arrays in Triton's datatypes, and in the messages of its gRPC.

https://github.com/kserve/kserve/blob/master/docs/predict-api/v2/required_api.md#tensor-data-types
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2
from tritonclient.utils import triton_to_np_dtype

from app.triton.errors import broken_contract

Array = NDArray[Any]

DTYPES: Mapping[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    # numpy has none; tritonclient brings one.
    "BF16": triton_to_np_dtype("BF16"),
}


def cast(values: Any, datatype: str) -> Array:
    """The values as an array of Triton's `datatype`; negative ids become two's complement.

    Texts become an array of `bytes` objects, in UTF-8.

    Raises:
        BackendError: the model declares a datatype that the values cannot have.
    """
    if datatype == "BYTES":
        return _as_bytes(values)
    if datatype not in DTYPES:
        raise broken_contract(f"the model declares a numeric input as {datatype}")
    return np.ascontiguousarray(np.asarray(values).astype(DTYPES[datatype]))


def infer_request(
    model: str, version: str, request_id: str, inputs: Mapping[str, tuple[str, Array]]
) -> Any:
    """A `ModelInferRequest` that asks for every output; `inputs` are (datatype, array)."""
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version, id=request_id)
    for name, (datatype, array) in inputs.items():
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(_raw(array))
    return request


def _as_bytes(values: Any) -> Array:
    texts = np.asarray(values, object)
    if not all(isinstance(text, (str, bytes)) for text in texts.flat):
        raise broken_contract("the model declares BYTES where it is given numbers")
    found = np.empty(texts.size, object)
    found[:] = [text.encode() if isinstance(text, str) else text for text in texts.flat]
    return found.reshape(texts.shape)


def _raw(array: Array) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    return b"".join(struct.pack("<I", len(item)) + item for item in array.flat)


def elements(raw: bytes, datatype: str) -> Array:
    """The elements of a tensor's raw contents one after the other, BYTES as `bytes` objects.

    Raises:
        KeyError: an unknown datatype.
        ValueError: bytes that do not make whole elements.
    """
    if datatype != "BYTES":
        return np.frombuffer(raw, DTYPES[datatype])
    items, start = [], 0
    while start < len(raw):
        end = start + 4 + int.from_bytes(raw[start : start + 4], "little")
        if end > len(raw) or start + 4 > len(raw):
            raise ValueError("the last element is cut off")
        items.append(raw[start + 4 : end])
        start = end
    found = np.empty(len(items), object)
    found[:] = items
    return found
