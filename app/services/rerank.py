"""Sorting documents by relevance, and the shapes of the answers that clients know."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from app.chunks import Usage
from app.services.catalogue import RerankModel
from app.services.encoder_rows import Given, pair_rows
from app.services.places import enter
from app.types import RequestContext, RerankRequest

# Cohere bills one search unit for a query with up to so many documents.
DOCUMENTS_PER_UNIT = 100


def rerank(model: RerankModel, request: RerankRequest, context: RequestContext) -> dict[str, Any]:
    """The documents, the most relevant first, in an OpenAI list's shape, Jina's and Cohere v1's.

    `results` is the same list as `data`: the name that Jina's and Cohere's clients read.
    """
    scores, num_tokens = _scores(model, request, Given("documents", request.documents), context)
    ranked = [_result(request, index, scores[index]) for index in _order(scores, request.top_n)]
    return {
        "object": "list",
        "id": f"rerank-{secrets.token_hex(16)}",
        "data": ranked,
        "results": ranked,
        "model": request.model,
        "usage": Usage(num_tokens).as_dict(),
    }


def rerank_v2(
    model: RerankModel, request: RerankRequest, context: RequestContext
) -> dict[str, Any]:
    """The same in Cohere's second shape: https://docs.cohere.com/reference/rerank"""
    scores, _ = _scores(model, request, Given("documents", request.documents), context)
    return {
        "id": f"rerank-{secrets.token_hex(16)}",
        "results": [
            {"index": index, "relevance_score": scores[index]}
            for index in _order(scores, request.top_n)
        ],
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": -(-len(scores) // DOCUMENTS_PER_UNIT)},
        },
    }


def rerank_texts(
    model: RerankModel, request: RerankRequest, context: RequestContext
) -> list[dict[str, Any]]:
    """The same in the shape of Text Embeddings Inference: a bare list."""
    scores, _ = _scores(model, request, Given("texts", request.documents), context)
    return [
        {"index": index, "score": scores[index]}
        | ({"text": request.documents[index]} if request.return_documents else {})
        for index in _order(scores, None)
    ]


def _scores(
    model: RerankModel, request: RerankRequest, given: Given, context: RequestContext
) -> tuple[list[float], int]:
    """A score for each document in their order, and the number of tokens."""
    query = Given("query", [request.query])
    pairs = pair_rows(model, query, given, request.truncation, request.max_document_tokens)
    with enter(model, context):
        context.tally.prompt_tokens = num_tokens = sum(len(pair.ids) for pair in pairs)
        scores = model.backend.score(pairs, context, is_raw=request.is_raw)
    return scores, num_tokens


def _order(scores: Sequence[float], top_n: int | None) -> list[int]:
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    return order[:top_n]


def _result(request: RerankRequest, index: int, score: float) -> dict[str, Any]:
    result: dict[str, Any] = {"object": "rerank", "index": index, "relevance_score": score}
    if request.return_documents:
        result["document"] = {"text": request.documents[index]}
    return result
