"""Embeddings in Cohere's second shape: https://docs.cohere.com/reference/embed"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from app import offload
from app.backends.embedding import Vector
from app.errors import InvalidRequest
from app.services.catalogue import EmbeddingModel
from app.services.embeddings import as_base64, as_json, embedded, encoded
from app.services.input_checks import is_long
from app.types import EmbedV2Request, RequestContext

BITS = 8
NO_PREFIX = "input_type changes nothing: texts are embedded as they are, without a prefix for it"


def embed_v2(
    model: EmbeddingModel, request: EmbedV2Request, context: RequestContext
) -> dict[str, Any]:
    """One vector for each text, in order, in every type that is asked for."""
    vectors, num_tokens = embedded(model, request, request.inputs_param, context)
    if {"binary", "ubinary"}.intersection(request.types):
        _check_bits(vectors, request)
    return {
        "id": f"embed-{secrets.token_hex(16)}",
        "response_type": "embeddings_by_type",
        "embeddings": {name: encoded(vectors, ENCODERS[name]) for name in request.types},
        "texts": offload.run_if(is_long(sum(map(len, request.inputs))), _texts, request),
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"input_tokens": num_tokens},
            **({"warnings": [NO_PREFIX]} if request.input_type else {}),
        },
    }


def _texts(request: EmbedV2Request) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(request.inputs))


def _check_bits(vectors: Sequence[Vector], request: EmbedV2Request) -> None:
    """Refuse vectors whose bits would not fill the last byte: nobody could tell how many are."""
    size = len(vectors[0])
    if size % BITS:
        param = "embedding_types" if request.dimensions is None else request.dimensions_param
        raise InvalidRequest(
            f"{param}: binary and ubinary need a multiple of {BITS} dimensions, but the vectors"
            f" have {size}",
            param=param,
        )


def _ubinary(vector: Vector) -> orjson.Fragment:
    """A byte for 8 numbers, the first in its highest bit, which is 1 unless one is negative."""
    return as_json(np.packbits(vector >= 0))


def _binary(vector: Vector) -> orjson.Fragment:
    """The same bytes less 128, so that they are signed."""
    return as_json((np.packbits(vector >= 0) ^ 0x80).view(np.int8))


ENCODERS: Mapping[str, Callable[[Vector], Any]] = {
    "float": as_json,
    "base64": as_base64,
    "binary": _binary,
    "ubinary": _ubinary,
}
