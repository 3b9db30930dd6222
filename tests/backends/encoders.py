"""Embedding and rerank backends in front of a scripted Triton."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.backends.cross_encoder import CrossEncoder
from app.backends.embedding import Embedding
from app.backends.encoder_batches import Row
from app.registry import EmbeddingSpec, RerankSpec, Timeouts
from app.triton.model_replicas import encoder_replicas
from app.types import RequestContext
from tests.scripted_triton import ENCODER_CONFIG, ScriptedHttpTriton

CONTEXT = RequestContext("request-7")
# Longer than a busy machine takes for an answer.
LIMITS = Timeouts(connect=60, first_token=60, between_tokens=60, total=120)


def _common(triton: ScriptedHttpTriton, timeouts: Timeouts) -> dict[str, Any]:
    return {
        "name": "encoder",
        "urls": (f"http://{triton.address}",),
        "folder": Path(),
        "triton_model": "encoder",
        "timeouts": timeouts,
        "max_tokens": 32,
    }


def embedding_spec(
    triton: ScriptedHttpTriton, *, timeouts: Timeouts = LIMITS, **spec: Any
) -> EmbeddingSpec:
    return EmbeddingSpec(**{**_common(triton, timeouts), "is_normalized": False, **spec})


def embedding(
    triton: ScriptedHttpTriton, *, timeouts: Timeouts = LIMITS, pad_id: int = 0, **spec: Any
) -> Embedding:
    settings = embedding_spec(triton, timeouts=timeouts, **spec)
    return Embedding(settings, encoder_replicas(settings), pad_id)


def cross_encoder(
    triton: ScriptedHttpTriton, *, timeouts: Timeouts = LIMITS, **spec: Any
) -> CrossEncoder:
    settings = RerankSpec(**{**_common(triton, timeouts), **spec})
    return CrossEncoder(settings, encoder_replicas(settings))


def embed(served: Embedding, rows: Sequence[Sequence[int]]) -> list[list[float]]:
    return [vector.tolist() for vector in served.embed(rows, CONTEXT)]


def score(
    served: CrossEncoder, rows: Sequence[Sequence[int]], *, is_raw: bool = False
) -> list[float]:
    return served.score([Row(ids) for ids in rows], CONTEXT, is_raw=is_raw)


def encoder_config(
    *,
    inputs: dict[str, tuple[str, list[int]]] | None = None,
    outputs: dict[str, list[int]] | None = None,
    max_batch_size: int = 4,
    datatype: str = "FP32",
) -> dict[str, Any]:
    """Triton's JSON of an encoder; `inputs` are (datatype, dims), `outputs` dims.

    `datatype` is that of all outputs.
    """
    config = {**ENCODER_CONFIG, "max_batch_size": max_batch_size}
    if inputs is not None:
        config["input"] = [
            {"name": name, "data_type": f"TYPE_{kind}", "dims": [str(dim) for dim in dims]}
            for name, (kind, dims) in inputs.items()
        ]
    if outputs is not None:
        config["output"] = [
            {"name": name, "data_type": f"TYPE_{datatype}", "dims": [str(dim) for dim in dims]}
            for name, dims in outputs.items()
        ]
    return config
