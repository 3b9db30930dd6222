"""numpy arrays in Triton's datatypes, and in the messages of its gRPC.

https://github.com/kserve/kserve/blob/master/docs/predict-api/v2/required_api.md#tensor-data-types
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

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
}


def cast(values: Any, datatype: str) -> Array:
    """The values as an array of Triton's `datatype`; negative ids become two's complement.

    Raises:
        BackendError: the model declares a datatype that numbers cannot have.
    """
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
        request.raw_input_contents.append(array.tobytes())
    return request


def output(response: Any, name: str) -> Array | None:
    """The output of that name as a read-only view, None when it is absent.

    Raises:
        BackendError: its bytes do not fit its shape and datatype.
    """
    for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=False):
        if tensor.name == name:
            try:
                return np.frombuffer(raw, DTYPES[tensor.datatype]).reshape(tensor.shape)
            except (KeyError, ValueError):
                raise broken_contract(
                    f"output {name}: {len(raw)} bytes do not make"
                    f" {tensor.datatype} {list(tensor.shape)}"
                ) from None
    return None
