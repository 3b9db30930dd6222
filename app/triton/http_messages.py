"""Inference over Triton's HTTP: a head in JSON, and the tensors' bytes behind it.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from app.triton.tensors import DTYPES, Array


def infer_body(
    inputs: Mapping[str, tuple[str, Array]], output: str, request_id: str
) -> tuple[bytes, int]:
    """The request's body and how many bytes of it are the head; `inputs` are (datatype, array)."""
    tensors = [
        {
            "name": name,
            "shape": array.shape,
            "datatype": datatype,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, (datatype, array) in inputs.items()
    ]
    wanted = {"name": output, "parameters": {"binary_data": True}}
    head = orjson.dumps({"id": request_id, "inputs": tensors, "outputs": [wanted]})
    return b"".join([head, *(_bytes(array) for _, array in inputs.values())]), len(head)


def _bytes(array: Array) -> memoryview:
    # Types of ml_dtypes do not lend their memory themselves.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def output_array(body: memoryview, head_size: int | None, name: str) -> Array | None:
    """The output of that name as a view of `body`, None when it is absent.

    `head_size` is None for a body that is JSON alone. Numbers may stand in the JSON too.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, OverflowError: the body is something else.
    """
    outputs = orjson.loads(body[:head_size])["outputs"]
    start = head_size or 0
    for output in outputs:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if output["name"] == name:
            return _elements(output, None if size is None else body[start : start + size])
        start += size or 0
    return None


def _elements(output: Mapping[str, Any], raw: memoryview | None) -> Array:
    dtype = DTYPES[output["datatype"]]
    values = np.array(output["data"], dtype) if raw is None else np.frombuffer(raw, dtype)
    return values.reshape(output["shape"])
