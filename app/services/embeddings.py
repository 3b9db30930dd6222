"""https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from numpy.typing import NDArray

from app import offload
from app.backends.embedding import Vector, normalized
from app.errors import InvalidRequest
from app.services.catalogue import EmbeddingModel
from app.services.encoder_rows import Given, single_rows
from app.services.places import enter
from app.types import EmbedRequest, RequestContext

# Encoding more numbers than this takes longer than the event loop can bear.
MAX_NUMBERS_ON_LOOP = 64 * 1024
JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def embed(model: EmbeddingModel, request: EmbedRequest, context: RequestContext) -> dict[str, Any]:
    """One vector for each input, in order."""
    vectors, num_tokens = embedded(model, request, "input", context)
    encode = as_base64 if request.is_base64 else as_json
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": item}
            for index, item in enumerate(encoded(vectors, encode))
        ],
        "model": request.model,
        "usage": {"prompt_tokens": num_tokens, "total_tokens": num_tokens},
    }


def embedded(
    model: EmbeddingModel, request: EmbedRequest, param: str, context: RequestContext
) -> tuple[list[Vector], int]:
    """A vector `[H]` for each input of the field `param`, and the number of tokens of all."""
    rows = single_rows(
        model,
        Given(param, request.inputs, request.limit_param),
        request.truncation,
        add_special_tokens=request.add_special_tokens,
    )
    with enter(model, context):
        context.tally.prompt_tokens = num_tokens = sum(map(len, rows))
        vectors = model.backend.embed(rows, context)
    return [_cut(vector, request) for vector in vectors], num_tokens


def _cut(vector: Vector, request: EmbedRequest) -> Vector:
    if request.dimensions is None:
        return vector
    if request.dimensions > len(vector):
        param = request.dimensions_param
        raise InvalidRequest(
            f"{param}: must be at most {len(vector)} for this model, but was {request.dimensions}",
            param=param,
        )
    return normalized(vector[: request.dimensions])


def encoded(vectors: Sequence[Vector], encode: Callable[[Vector], Any]) -> list[Any]:
    """Each vector as `encode` writes it for JSON, many of them away from the event loop."""
    is_large = sum(map(len, vectors)) > MAX_NUMBERS_ON_LOOP
    return offload.run_if(is_large, lambda: [encode(vector) for vector in vectors])


def as_base64(vector: Vector) -> str:
    """The numbers as little-endian 32-bit floats."""
    raw = vector.astype("<f4", copy=False).data
    return binascii.b2a_base64(raw, newline=False).decode()


def as_json(array: NDArray[Any]) -> orjson.Fragment:
    """Ready JSON, so that nothing large is left to encode on the event loop."""
    return orjson.Fragment(orjson.dumps(array, option=JSON_OPTIONS))
