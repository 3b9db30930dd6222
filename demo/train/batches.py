"""Turns documents into batches of similar length, so that hardly anything is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from transformers import PreTrainedTokenizerFast

from .corpus import documents, segments
from .settings import MAX_POSITIONS

IGNORED = -100
POOL = 4096
# Questions teach the model to read, but much less than answers teach it to write.
PROMPT_WEIGHT = 0.1


@dataclass(frozen=True)
class Batch:
    """Token ids, their positions, and how much each next token counts."""

    ids: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


def encode(
    tokenizer: PreTrainedTokenizerFast, pieces: list[tuple[str, bool]]
) -> tuple[list[int], list[float]]:
    """The ids of a document and the weight of each."""
    ids: list[int] = []
    weights: list[float] = []
    for text, learned in pieces:
        piece = tokenizer.encode(text, add_special_tokens=False)
        ids += piece
        weights += [1.0 if learned else PROMPT_WEIGHT] * len(piece)
    return ids, weights


def _pad(rows: list[tuple[list[int], list[float]]], pad: int, rng: Random) -> Batch:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), pad)
    weights = torch.zeros(len(rows), width)
    for row, (row_ids, row_weights) in enumerate(rows):
        ids[row, : len(row_ids)] = torch.tensor(row_ids)
        weights[row, : len(row_ids)] = torch.tensor(row_weights)
    # Shifted starts let the model meet every position that the context has.
    starts = torch.tensor([[rng.choice((0, rng.randint(0, MAX_POSITIONS - width)))] for _ in rows])
    return Batch(ids[:, :-1], starts + torch.arange(width - 1), ids[:, 1:], weights[:, 1:])


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, tokens: int) -> Iterator[Batch]:
    """Batches without end, each of about so many tokens."""
    rng = Random(seed)
    stream = documents(seed)
    pad = tokenizer.pad_token_id
    while True:
        rows = [encode(tokenizer, segments(next(stream))) for _ in range(POOL)]
        rows = [(ids[:MAX_POSITIONS], row_weights[:MAX_POSITIONS]) for ids, row_weights in rows]
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for row in rows:
            if groups[-1] and len(row[0]) * (len(groups[-1]) + 1) > tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            yield _pad(group, pad, rng)
