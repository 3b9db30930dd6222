"""One answer of a model, read from its bytes no further than it is asked for."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from tritonclient.grpc import service_pb2

from app.triton.errors import broken_contract
from app.triton.tensors import DTYPES, Array, elements

# Of ModelStreamInferResponse and ModelInferResponse, as tags of length-delimited fields:
# https://github.com/triton-inference-server/common/blob/main/protobuf/grpc_service.proto
_INFER_RESPONSE = 2 << 3 | 2
_RAW_OUTPUT = 6 << 3 | 2
# https://protobuf.dev/programming-guides/encoding/#structure
_VARINT = 0
_LENGTH_DELIMITED = 2
_FIXED_SIZES = {1: 8, 5: 4}

# By their size in bytes, in Triton's byte order.
UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


class ModelResponse(Protocol):
    """What the model says, by the names of its outputs."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Triton's own, as `InferParameter` messages."""

    @property
    def layout(self) -> object:
        """The same for answers that differ in nothing but the contents of their outputs."""

    def integers(self, name: str, start: int, stop: int) -> list[int]:
        """Elements of an output of integers that is there, counted flat, as if without sign.

        Raises:
            BackendError: its bytes do not fit its shape and datatype.
        """

    def output(self, name: str) -> Array | None:
        """The output of that name as a read-only view, None when it is absent.

        BYTES are an array of `bytes` objects.

        Raises:
            BackendError: its bytes do not fit its shape and datatype.
        """


class ParsedResponse:
    """From a `ModelInferResponse`."""

    def __init__(self, message: Any) -> None:
        self.parameters: Mapping[str, Any] = message.parameters
        self.layout: object = message
        self._message = message

    def integers(self, name: str, start: int, stop: int) -> list[int]:
        """As told above."""
        return _integers(self.output(name), start, stop)

    def output(self, name: str) -> Array | None:
        """As told above."""
        message = self._message
        for tensor, raw in zip(message.outputs, message.raw_output_contents, strict=False):
            if tensor.name == name:
                return _array(name, raw, tensor.datatype, tuple(tensor.shape))
        return None


class ReadOnce:
    """An answer to several readers: each output is looked up and shaped once."""

    def __init__(self, response: ModelResponse) -> None:
        self.parameters = response.parameters
        self.layout = response.layout
        self.integers = response.integers
        self._response = response
        self._found: dict[str, Array | None] = {}

    def output(self, name: str) -> Array | None:
        """As told above."""
        if name not in self._found:
            self._found[name] = self._response.output(name)
        return self._found[name]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an output is in a message. It has a `dtype` if numpy can look at it right there.

    `unsigned` reads one of its integers, if it has any.
    """

    start: int
    stop: int
    datatype: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    unsigned: struct.Struct | None


class Layout:
    """Where a message of known bytes has its outputs.

    Another of the same length that differs in nothing but the contents of the outputs has them in
    the same places.
    """

    def __init__(self, raw: bytes, message: Any) -> None:
        self.parameters: Mapping[str, Any] = message.parameters
        self._length = len(raw)
        spans = _raw_outputs(raw)
        edges = [0, *(edge for span in spans for edge in span), len(raw)]
        parts = [slice(*part) for part in zip(edges[::2], edges[1::2], strict=True)]
        self._fixed_parts = itemgetter(*parts)
        self._fixed = self._fixed_parts(raw)
        self.places = {
            tensor.name: _place(tensor, start, stop)
            for tensor, (start, stop) in zip(message.outputs, spans, strict=False)
        }

    def fits(self, raw: bytes) -> bool:
        """Whether a message is laid out like this."""
        return len(raw) == self._length and self._fixed_parts(raw) == self._fixed


class LaidOutResponse:
    """From bytes whose layout is known."""

    __slots__ = ("_raw", "layout")

    def __init__(self, raw: bytes, layout: Layout) -> None:
        self._raw = raw
        self.layout = layout

    @property
    def parameters(self) -> Mapping[str, Any]:
        """As told above."""
        return self.layout.parameters

    def integers(self, name: str, start: int, stop: int) -> list[int]:
        """As told above."""
        place = self.layout.places.get(name)
        if place is None or place.unsigned is None:
            return _integers(self.output(name), start, stop)
        form = place.unsigned
        first = place.start + start * form.size
        if stop == start + 1 and first < place.stop:
            found: tuple[int] = form.unpack_from(self._raw, first)
            return list(found)
        span = self._raw[first : min(place.start + stop * form.size, place.stop)]
        return [number for (number,) in form.iter_unpack(span)]

    def output(self, name: str) -> Array | None:
        """As told above."""
        place = self.layout.places.get(name)
        if place is None:
            return None
        if place.dtype is None:
            raw = self._raw[place.start : place.stop]
            return _array(name, raw, place.datatype, place.shape)
        # A view: FasterTransformer repeats the prompt and all tokens in each message.
        return np.ndarray(place.shape, place.dtype, self._raw, place.start)


class ResponseReader:
    """Reads the messages of one stream, those that look alike without parsing them again."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._last_length = -1

    def are_alike(self, first: bytes, second: bytes) -> bool:
        """Whether two messages differ in nothing but the contents of their outputs."""
        layout = self._layout
        return layout is not None and layout.fits(first) and layout.fits(second)

    def read(self, raw: bytes) -> tuple[str, ModelResponse]:
        """The error that a `ModelStreamInferResponse` tells, "" for none, and its answer.

        Raises:
            BackendError: it is none.
        """
        if self._layout is not None and self._layout.fits(raw):
            return "", LaidOutResponse(raw, self._layout)
        try:
            message = service_pb2.ModelStreamInferResponse.FromString(raw)
        except Exception:  # the protobuf library names none that all its versions raise
            raise broken_contract(f"{len(raw)} bytes that are no answer of Triton's") from None
        response = message.infer_response
        # Texts differ in length each time: only what comes twice may come often.
        if len(raw) == self._last_length and not message.error_message:
            self._layout = Layout(raw, response)
        self._last_length = len(raw)
        return message.error_message, ParsedResponse(response)


def _place(tensor: Any, start: int, stop: int) -> _Place:
    shape = tuple(tensor.shape)
    dtype = DTYPES.get(tensor.datatype)
    found = None if dtype is None else np.dtype(dtype)
    is_whole = (
        found is not None
        and min(shape, default=0) >= 0
        and found.itemsize * math.prod(shape) == stop - start
    )
    if found is None or not is_whole:
        return _Place(start, stop, tensor.datatype, shape, None, None)
    is_integer = found.kind in "iu"
    unsigned = struct.Struct(UNSIGNED[found.itemsize]) if is_integer else None
    return _Place(start, stop, tensor.datatype, shape, found, unsigned)


def _integers(values: Array | None, start: int, stop: int) -> list[int]:
    if values is None or values.dtype.kind not in "iu":
        raise broken_contract("an output of integers is missing or has others")
    part = values.reshape(-1)[start:stop]
    found: list[int] = part.view(f"u{part.itemsize}").tolist()
    return found


def _array(name: str, raw: bytes, datatype: str, shape: tuple[int, ...]) -> Array:
    try:
        return elements(raw, datatype).reshape(shape)
    except (KeyError, ValueError):
        raise broken_contract(
            f"output {name}: {len(raw)} bytes do not make {datatype} {list(shape)}"
        ) from None


def _raw_outputs(raw: bytes) -> list[tuple[int, int]]:
    """Where the contents of the outputs are in a `ModelStreamInferResponse`."""
    spans = []
    for tag, start, stop in _fields(raw, 0, len(raw)):
        if tag == _INFER_RESPONSE:
            found = _fields(raw, start, stop)
            spans += [(first, last) for tag, first, last in found if tag == _RAW_OUTPUT]
    return spans


def _fields(raw: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """The length-delimited fields there, as (tag, start, stop); no others are known yet."""
    found = []
    while start < end:
        tag, start = _varint(raw, start)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length, start = _varint(raw, start)
            found.append((tag, start, start + length))
            start += length
        elif kind == _VARINT:
            _, start = _varint(raw, start)
        else:
            start += _FIXED_SIZES.get(kind, 0)
    return found


def _varint(raw: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[start]
        value |= (byte & 0x7F) << shift
        start += 1
        shift += 7
        if byte < 0x80:
            return value, start
