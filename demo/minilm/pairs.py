"""Scores of (query, document) pairs from MiniLM's embeddings, in a cross-encoder's form.

No cross-encoder is to be had from the package registries. What stands here for one takes the pair
apart again, embeds both texts, and turns their cosine into a logit.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from demo.minilm.encoder import Encoder, IntArray
from demo.minilm.pooling import sentence_embeddings
from demo.weights import FloatArray

Tokens: TypeAlias = tuple[int, ...]

CLS_ID, SEP_ID = 101, 102

SCALE, OFFSET = 16.0, 0.4
"""logit = SCALE * (cosine - OFFSET): related texts have cosines above 0.45, others below 0.3."""


def score_pairs(encoder: Encoder, ids: IntArray, mask: IntArray) -> FloatArray:
    """Logits `[B, 1]` of `[CLS] query [SEP] document [SEP]` rows, `ids` and `mask` `[B, S]`."""
    pairs = [split_pair(row[kept != 0].tolist()) for row, kept in zip(ids, mask, strict=True)]
    # One query usually comes with many documents: each text is embedded once.
    embeddings = {text: embed(encoder, text) for text in {text for pair in pairs for text in pair}}
    cosines = [float(embeddings[query] @ embeddings[document]) for query, document in pairs]
    return np.array([[SCALE * (cosine - OFFSET)] for cosine in cosines], np.float32)


def split_pair(ids: Sequence[int]) -> tuple[Tokens, Tokens]:
    """The two texts, each with [CLS] and [SEP] of its own; a missing one is empty."""
    body = tuple(ids[1:] if ids and ids[0] == CLS_ID else ids)
    end = body.index(SEP_ID) if SEP_ID in body else len(body)
    query, rest = body[:end], body[end + 1 :]
    document = rest[:-1] if rest and rest[-1] == SEP_ID else rest
    return (CLS_ID, *query, SEP_ID), (CLS_ID, *document, SEP_ID)


def embed(encoder: Encoder, text: Tokens) -> FloatArray:
    """The embedding `[384]` of a text; a document's own [CLS] may be one token too many."""
    ids = np.array([text[: encoder.max_len]])
    mask = np.ones_like(ids)
    vector: FloatArray = sentence_embeddings(encoder.encode(ids, mask), mask)[0]
    return vector
