"""Sorting documents by relevance, in the shapes of the user guide, Jina and Cohere v1."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from app import offload
from app.backends.encoder import Row
from app.services.catalogue import RerankModel
from app.services.input_checks import is_long
from app.types import RequestContext, RerankRequest, Usage


def rerank(model: RerankModel, request: RerankRequest, context: RequestContext) -> dict[str, Any]:
    """The documents, the most relevant first, ties in the order of the request.

    `results` is the same list as `data`: the name that Jina's and Cohere's clients read.
    """
    pairs = _pairs(model, request)
    with model.admission.enter(context.cancellation):
        scores = model.backend.score(pairs, context)
    ranked = [_result(request, index, scores[index]) for index in _order(scores, request.top_n)]
    return {
        "object": "list",
        "id": f"rerank-{secrets.token_hex(16)}",
        "data": ranked,
        "results": ranked,
        "model": request.model,
        "usage": Usage(sum(len(pair.ids) for pair in pairs)).as_dict(),
    }


def _pairs(model: RerankModel, request: RerankRequest) -> list[Row]:
    size = len(request.query) + sum(map(len, request.documents))
    return offload.run_if(is_long(size), _tokenize, model, request)


def _tokenize(model: RerankModel, request: RerankRequest) -> list[Row]:
    pairs = model.tokenizer.encode_pairs(
        request.query, request.documents, max_tokens=model.spec.max_tokens
    )
    return [Row(pair.ids, pair.type_ids) for pair in pairs]


def _order(scores: Sequence[float], top_n: int | None) -> list[int]:
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    return order[:top_n]


def _result(request: RerankRequest, index: int, score: float) -> dict[str, Any]:
    result: dict[str, Any] = {"object": "rerank", "index": index, "relevance_score": score}
    if request.return_documents:
        result["document"] = {"text": request.documents[index]}
    return result
