"""The answers of models, encoders and the server itself, and errors, as JSON Schema."""

from __future__ import annotations

from app.errors import ERROR_TYPES
from app.schemas.openapi.shapes import (
    BOOLEAN,
    COUNT,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    JsonSchema,
    array,
    nullable,
    one_of,
    record,
    ref,
    union,
)

MAYBE_STRING = nullable(STRING)
USAGE = record({"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT})


def errors() -> dict[str, JsonSchema]:
    """The error object of every path, and those of the two forms that have their own."""
    error = {"message": STRING, "type": STRING, "param": MAYBE_STRING, "code": MAYBE_STRING}
    types = {"type": one_of(*dict.fromkeys(ERROR_TYPES.values()))}
    return {
        "Error": record({"error": record({**error, **types})}),
        "AnthropicError": record({"type": "error", "error": record(error)}),
        "TextsError": record({"error": STRING, "error_type": STRING}),
    }


def server() -> dict[str, JsonSchema]:
    """Whether it lives, whether it is ready, and which version it is."""
    tritons = record({"ready": COUNT, "total": COUNT})
    state = record({"ready": BOOLEAN, "cause": STRING, "tritons": tritons}, "cause")
    return {
        "Health": record({"status": "ok"}),
        "Readiness": record(
            {
                "status": one_of("ready", "not ready", "draining"),
                "models": {**OBJECT, "additionalProperties": state},
            },
            # A server that stops asks nobody any more.
            "models",
        ),
        "Version": record({"version": STRING}),
    }


def models() -> dict[str, JsonSchema]:
    """The list of models, and one of them."""
    flags = ("create_engine", "sampling", "logprobs", "search_indices", "view", "fine_tuning")
    permission = {
        "id": STRING,
        "object": "model_permission",
        "created": INTEGER,
        **{f"allow_{name}": BOOLEAN for name in flags},
        "organization": STRING,
        "group": NULL,
        "is_blocking": BOOLEAN,
    }
    model = {
        "id": STRING,
        "object": "model",
        "created": INTEGER,
        "owned_by": STRING,
        "root": STRING,
        "parent": MAYBE_STRING,
        "permission": array(record(permission)),
        "max_model_len": nullable(INTEGER),
        "task": one_of("generate", "embed", "rerank"),
    }
    return {
        "Model": record(model),
        "ModelWithCapabilities": record({**model, "capabilities": _capabilities()}),
        "Models": record({"object": "list", "data": array(ref("Model"))}),
    }


def _capabilities() -> JsonSchema:
    generate = {
        **dict.fromkeys(("chat", "tools", "reasoning", "suffix"), BOOLEAN),
        "chat_template_kwargs": array(STRING),
        "parameters": nullable(array(STRING)),
        **dict.fromkeys(("logprobs", "scores_prompts", "beam_search"), nullable(BOOLEAN)),
        "max_top_logprobs": nullable(COUNT),
        "logit_bias": one_of("any", "bans", None),
        "structured_outputs": nullable(array(STRING)),
    }
    return union(record(generate), record({"token_input": STRING}), record({"activation": STRING}))


def encoders() -> dict[str, JsonSchema]:
    """Vectors, scores and rankings."""
    vector = union(array(NUMBER), {**STRING, "description": "Little-endian floats in base64."})
    embedding = record({"object": "embedding", "index": COUNT, "embedding": vector})
    usage = record({"prompt_tokens": COUNT, "total_tokens": COUNT})
    score = record({"index": COUNT, "object": "score", "score": NUMBER})
    return {
        "Embeddings": record(
            {"object": "list", "data": array(embedding), "model": STRING, "usage": usage}
        ),
        "EmbeddingsByType": _embeddings_by_type(),
        "Scores": record(
            {
                "id": STRING,
                "object": "list",
                "created": INTEGER,
                "model": STRING,
                "data": array(score),
                "usage": USAGE,
            }
        ),
        **_rankings(),
    }


def _embeddings_by_type() -> JsonSchema:
    bits = array({**INTEGER, "minimum": -128, "maximum": 255})
    vectors = {"float": array(NUMBER), "base64": STRING, "binary": bits, "ubinary": bits}
    meta = {**_meta({"input_tokens": COUNT}), "warnings": array(STRING)}
    return record(
        {
            "id": STRING,
            "response_type": "embeddings_by_type",
            "embeddings": record({name: array(one) for name, one in vectors.items()}, *vectors),
            "texts": array(STRING),
            "meta": record(meta, "warnings"),
        }
    )


def _meta(units: dict[str, JsonSchema]) -> dict[str, JsonSchema]:
    return {"api_version": record({"version": "2"}), "billed_units": record(units)}


def _rankings() -> dict[str, JsonSchema]:
    place = {"index": COUNT, "relevance_score": NUMBER}
    document = record({"text": STRING})
    results = array(record({"object": "rerank", **place, "document": document}, "document"))
    return {
        "Ranking": record(
            {
                "object": "list",
                "id": STRING,
                "data": results,
                "results": results,
                "model": STRING,
                "usage": USAGE,
            }
        ),
        "CohereRanking": record(
            {
                "id": STRING,
                "results": array(record(place)),
                "meta": record(_meta({"search_units": COUNT})),
            }
        ),
        "TextsRanking": array(record({"index": COUNT, "score": NUMBER, "text": STRING}, "text")),
    }


def tokens() -> dict[str, JsonSchema]:
    """Tokens and texts."""
    tokenized = {
        "count": COUNT,
        "max_model_len": nullable(INTEGER),
        "tokens": array(COUNT),
        "token_strs": nullable(array(STRING)),
    }
    return {"Tokens": record(tokenized), "Detokenized": record({"prompt": STRING})}
