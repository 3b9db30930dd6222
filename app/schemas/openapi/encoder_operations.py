"""The paths that embedding and rerank models answer."""

from __future__ import annotations

from typing import Any

from app.schemas.openapi.operation import OF_MODELS, Operation

EMBEDDING = {"model": "all-minilm-l6-v2"}
RERANKER = {"model": "minilm-reranker"}
PAIR = {"query": "skin care", "documents": ["Baking bread", "Creams for dry skin"]}
RANKING: dict[str, Any] = {
    "tag": "Rerank",
    "bodies": ("RerankRequest",),
    "answers": ("Ranking",),
    "kinds": OF_MODELS,
    "examples": {"documents": {**RERANKER, **PAIR, "top_n": 1, "return_documents": True}},
}
SCORING: dict[str, Any] = {
    "tag": "Rerank",
    "bodies": ("ScoreRequest",),
    "answers": ("Scores",),
    "kinds": OF_MODELS,
    "examples": {
        "pairs": {**RERANKER, "text_1": "skin care", "text_2": ["Baking bread", "Creams"]},
        "cosines": {**EMBEDDING, "text_1": "skin care", "text_2": "Creams for dry skin"},
    },
}
ENCODERS = (
    Operation(
        path="/v1/embeddings",
        id="create_embeddings",
        tag="Embeddings",
        summary="Turn texts into vectors.",
        bodies=("EmbeddingRequest",),
        answers=("Embeddings",),
        kinds=OF_MODELS,
        examples={
            "texts": {**EMBEDDING, "input": ["Hello, Triton", "Hello, world"], "dimensions": 4},
            "base64": {**EMBEDDING, "input": "Hello", "encoding_format": "base64"},
        },
    ),
    Operation(
        path="/v2/embed",
        id="create_embed_v2",
        tag="Embeddings",
        summary="Turn texts into vectors, in Cohere's second shape.",
        bodies=("EmbedV2Request",),
        answers=("EmbeddingsByType",),
        kinds=OF_MODELS,
        examples={
            "types": {**EMBEDDING, "texts": ["skin care"], "embedding_types": ["float", "ubinary"]}
        },
    ),
    Operation(
        path="/v1/rerank",
        id="create_rerank",
        summary="Sort documents by how well they answer a query.",
        **RANKING,
    ),
    Operation(
        path="/rerank",
        id="create_any_rerank",
        summary="The same, also for bodies of Text Embeddings Inference.",
        **{
            **RANKING,
            "bodies": ("RerankRequest", "TextsRerankRequest"),
            "answers": ("Ranking", "TextsRanking"),
            "error_forms": ("Error", "TextsError"),
            "examples": {
                **RANKING["examples"],
                "texts": {"query": PAIR["query"], "texts": PAIR["documents"]},
            },
        },
    ),
    Operation(
        path="/v2/rerank",
        id="create_rerank_v2",
        summary="The same in Cohere's second shape.",
        **{**RANKING, "answers": ("CohereRanking",)},
    ),
    Operation(
        path="/v1/score",
        id="create_score",
        summary="Say how well pairs of texts go together.",
        **SCORING,
    ),
    Operation(path="/score", id="create_score_too", summary="The same.", **SCORING),
)
