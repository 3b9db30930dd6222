"""What a Hugging Face folder says about its model: plain JSON files, nothing is executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTEXT_KEYS = ("max_position_embeddings", "seq_length", "n_positions", "model_max_length")
# Above this `model_max_length` is transformers' way of saying that it is not known.
LONGEST_CONTEXT = 2**31


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """Ids and lengths, None where the folder does not say."""

    bos_id: int | None
    eos_ids: tuple[int, ...]
    context: int | None


@dataclass(frozen=True, slots=True)
class PoolingFacts:
    """What a sentence-transformers folder says: pooling, normalising, longest input in tokens."""

    pooling: str | None
    is_normalized: bool | None
    max_tokens: int | None


def read_facts(folder: Path) -> FolderFacts:
    """BOS, EOS and context from config.json and generation_config.json."""
    config = _read_json(folder / "config.json")
    generation = _read_json(folder / "generation_config.json")
    bos = _ids(generation.get("bos_token_id")) or _ids(config.get("bos_token_id"))
    eos = _ids(generation.get("eos_token_id")) or _ids(config.get("eos_token_id"))
    return FolderFacts(
        bos_id=bos[0] if bos else None,
        eos_ids=eos,
        context=_first_length(config, *CONTEXT_KEYS)
        or _first_length(_read_json(folder / "tokenizer_config.json"), "model_max_length"),
    )


def read_pooling(folder: Path) -> PoolingFacts:
    """Pooling, normalising and length from a sentence-transformers folder."""
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    modules = _read_json(folder / "modules.json", list)
    return PoolingFacts(
        pooling=_pooling_mode(pooling),
        is_normalized=_has_normalize(modules) if modules else None,
        max_tokens=_first_length(_read_json(folder / "sentence_bert_config.json"), "max_seq_length")
        or _first_length(_read_json(folder / "tokenizer_config.json"), "model_max_length")
        or _position_limit(folder),
    )


def _position_limit(folder: Path) -> int | None:
    config = _read_json(folder / "config.json")
    limit = _first_length(config, *CONTEXT_KEYS)
    # RoBERTa's positions start after the padding id, so two of them are never used.
    is_shifted = "roberta" in str(config.get("model_type", ""))
    return limit - 2 if limit is not None and is_shifted else limit


def _pooling_mode(pooling: Any) -> str | None:
    if pooling.get("pooling_mode_cls_token"):
        return "cls"
    return "mean" if pooling.get("pooling_mode_mean_tokens") else None


def _has_normalize(modules: Any) -> bool:
    return any("Normalize" in str(module) for module in modules)


def _first_length(values: Any, *keys: str) -> int | None:
    for key in keys:
        value = values.get(key)
        if isinstance(value, (int, float)) and 0 < value < LONGEST_CONTEXT:
            return int(value)
    return None


def _ids(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(item for item in values if isinstance(item, int))


def _read_json(path: Path, kind: type = dict) -> Any:
    """The file's content, or an empty one where it is missing or not what it should be."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    return content if isinstance(content, kind) else kind()
