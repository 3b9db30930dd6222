"""Applications with embedding and rerank models alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from tests.applications import EMBEDDING, RERANKER, TIMEOUTS, build_application
from tests.scripted_triton import ScriptedHttpTriton
from tests.tokenizers.cached import folder


def encoder_client(
    base: Path,
    triton: ScriptedHttpTriton,
    *,
    embedding: dict[str, Any] | None = None,
    rerankers: tuple[str, ...] = (RERANKER,),
    **settings: str,
) -> FlaskClient:
    """A client of an application; `embedding` adds to the embedding model's entry."""
    common = {
        "url": triton.address,
        "path": str(folder("wordpiece")),
        "max_tokens": 32,
        "timeouts": TIMEOUTS,
    }
    configuration = {
        "embedding": [{"name": EMBEDDING, **common, **(embedding or {})}],
        "rerank": [{"name": name, **common} for name in rerankers],
    }
    return build_application(base, configuration, **settings).test_client()


def token_rows(triton: ScriptedHttpTriton) -> list[list[int]]:
    """All rows that Triton got, without their padding."""
    return [
        row[mask.astype(bool)].tolist()
        for batch in triton.batches
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]


def texts_of(triton: ScriptedHttpTriton) -> list[str]:
    """The texts of these rows, without special tokens."""
    from tests.tokenizers.cached import tokenizer

    return [tokenizer("wordpiece").decode(row) for row in token_rows(triton)]
