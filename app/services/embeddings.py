"""https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app import offload
from app.backends.embedding import normalized
from app.errors import ContextLengthExceeded, InvalidRequest
from app.services.catalogue import EmbeddingModel
from app.services.input_checks import check_vocabulary, is_long
from app.types import EmbedRequest, Prompt, RequestContext

# Encoding more numbers than this takes longer than the event loop can bear.
MAX_NUMBERS_ON_LOOP = 64 * 1024
JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def embed(model: EmbeddingModel, request: EmbedRequest, context: RequestContext) -> dict[str, Any]:
    """One vector for each input, in order."""
    rows = _token_rows(model, request)
    with model.admission.enter(context.cancellation):
        vectors = model.backend.embed(rows, context)
    vectors = [_cut(vector, request.dimensions) for vector in vectors]
    return {
        "object": "list",
        "data": _data(vectors, request.is_base64),
        "model": request.model,
        "usage": _usage(rows),
    }


def _usage(rows: Sequence[Sequence[int]]) -> dict[str, int]:
    num_tokens = sum(len(row) for row in rows)
    return {"prompt_tokens": num_tokens, "total_tokens": num_tokens}


def _token_rows(model: EmbeddingModel, request: EmbedRequest) -> list[list[int]]:
    size = sum(len(item) for item in request.inputs)
    return offload.run_if(is_long(size), _tokenize, model, request)


def _tokenize(model: EmbeddingModel, request: EmbedRequest) -> list[list[int]]:
    limit = model.spec.max_tokens
    cut_to = limit if request.may_truncate else None
    if isinstance(request.inputs[0], str):
        texts = [item for item in request.inputs if isinstance(item, str)]
        rows = model.tokenizer.encode_batch(texts, max_tokens=cut_to)
    else:
        rows = [
            _wrapped(model, ids, _param(request, index), cut_to)
            for index, ids in enumerate(request.inputs)
        ]
    for index, row in enumerate(rows):
        if len(row) > limit:
            param = _param(request, index)
            raise ContextLengthExceeded(
                f"{param} has {len(row)} tokens; the model takes {limit}", param=param
            )
    return rows


def _param(request: EmbedRequest, index: int) -> str:
    return f"input[{index}]" if len(request.inputs) > 1 else "input"


def _wrapped(model: EmbeddingModel, ids: Prompt, param: str, cut_to: int | None) -> list[int]:
    if not model.spec.takes_token_ids:
        raise InvalidRequest("input: this model takes strings, not token ids", param="input")
    assert not isinstance(ids, str)
    check_vocabulary(ids, model.tokenizer.vocabulary_size, param)
    return model.tokenizer.wrap(ids, max_tokens=cut_to)


def _cut(vector: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    if dimensions is None:
        return vector
    if dimensions > len(vector):
        raise InvalidRequest(
            f"dimensions: must be at most {len(vector)} for this model, but was {dimensions}",
            param="dimensions",
        )
    return normalized(vector[:dimensions])


def _data(vectors: Sequence[NDArray[np.float32]], is_base64: bool) -> list[dict[str, Any]]:
    is_large = sum(map(len, vectors)) > MAX_NUMBERS_ON_LOOP
    encoded = offload.run_if(is_large, _encode, vectors, is_base64)
    return [
        {"object": "embedding", "index": index, "embedding": item}
        for index, item in enumerate(encoded)
    ]


def _encode(vectors: Sequence[NDArray[np.float32]], is_base64: bool) -> list[Any]:
    if is_base64:
        return [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
    # Ready JSON, so that nothing large is left to encode on the event loop.
    return [orjson.Fragment(orjson.dumps(vector, option=JSON_OPTIONS)) for vector in vectors]
