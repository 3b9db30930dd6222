"""A reader of safetensors files, https://huggingface.co/docs/safetensors: header, raw tensors."""

import json
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]

HEADER_LENGTH_BYTES = 8


def read_safetensors(path: Path) -> dict[str, FloatArray]:
    """Every F16, BF16 and F32 tensor of the file by name, as float32; other dtypes are left out."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(raw[:HEADER_LENGTH_BYTES].view("<u8")[0])
    start = HEADER_LENGTH_BYTES + length
    header = json.loads(raw[HEADER_LENGTH_BYTES:start].tobytes())
    header.pop("__metadata__", None)
    readable = {name: entry for name, entry in header.items() if entry["dtype"] in _DECODERS}
    return {name: _tensor(raw[start:], entry) for name, entry in readable.items()}


def _tensor(data: npt.NDArray[np.uint8], entry: dict[str, object]) -> FloatArray:
    first, end = entry["data_offsets"]  # type: ignore[misc]
    flat = _DECODERS[entry["dtype"]](data[first:end])  # type: ignore[index, has-type]
    return flat.reshape(entry["shape"])  # type: ignore[call-overload, no-any-return]


def _from_f32(data: npt.NDArray[np.uint8]) -> FloatArray:
    return np.frombuffer(data.tobytes(), "<f4").astype(np.float32)


def _from_f16(data: npt.NDArray[np.uint8]) -> FloatArray:
    return np.frombuffer(data.tobytes(), "<f2").astype(np.float32)


def _from_bf16(data: npt.NDArray[np.uint8]) -> FloatArray:
    """bfloat16 is the upper half of a float32."""
    upper = np.frombuffer(data.tobytes(), "<u2").astype(np.uint32)
    return (upper << 16).view(np.float32)


_DECODERS = {"F32": _from_f32, "F16": _from_f16, "BF16": _from_bf16}
