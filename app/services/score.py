"""How well pairs of texts go together: https://docs.vllm.ai/en/latest/models/pooling_models.html"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backends.embedding import normalized
from app.chunks import Usage
from app.services.catalogue import EmbeddingModel, RerankModel
from app.services.encoder_rows import Given, pair_rows, single_rows
from app.services.places import enter
from app.types import RequestContext, ScoreRequest

Vectors = Sequence[NDArray[np.float32]]


def score(
    model: RerankModel | EmbeddingModel, request: ScoreRequest, context: RequestContext
) -> dict[str, Any]:
    """A score for each text: a rerank model's, or the cosine of an embedding model's vectors."""
    if isinstance(model, RerankModel):
        scores, num_tokens = _cross_scores(model, request, context)
    else:
        scores, num_tokens = _cosines(model, request, context)
    return {
        "id": f"score-{secrets.token_hex(16)}",
        "object": "list",
        "created": int(time.time()),
        "model": request.model,
        "data": [
            {"index": index, "object": "score", "score": value}
            for index, value in enumerate(scores)
        ],
        "usage": Usage(num_tokens).as_dict(),
    }


def _cross_scores(
    model: RerankModel, request: ScoreRequest, context: RequestContext
) -> tuple[list[float], int]:
    given = Given("text_2", request.texts)
    queries = Given("text_1", request.queries)
    pairs = pair_rows(model, queries, given, request.truncation)
    with enter(model, context):
        context.tally.prompt_tokens = num_tokens = sum(len(pair.ids) for pair in pairs)
        scores = model.backend.score(pairs, context, is_raw=request.is_raw)
    return scores, num_tokens


def _cosines(
    model: EmbeddingModel, request: ScoreRequest, context: RequestContext
) -> tuple[list[float], int]:
    given = (Given("text_1", request.queries), Given("text_2", request.texts))
    first, second = (single_rows(model, each, request.truncation) for each in given)
    with enter(model, context):
        context.tally.prompt_tokens = num_tokens = sum(map(len, [*first, *second]))
        vectors = model.backend.embed([*first, *second], context)
    queries, texts = vectors[: len(first)], vectors[len(first) :]
    if len(queries) == 1:
        queries = queries * len(texts)
    return _products(queries, texts), num_tokens


def _products(first: Vectors, second: Vectors) -> list[float]:
    pairs = zip(first, second, strict=True)
    return [float(normalized(left) @ normalized(right)) for left, right in pairs]
