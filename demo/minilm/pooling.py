"""From hidden states to one vector per text, as all-MiniLM-L6-v2's modules.json says."""

import numpy as np

from demo.minilm.encoder import IntArray
from demo.weights import FloatArray


def sentence_embeddings(hidden: FloatArray, mask: IntArray) -> FloatArray:
    """Mean of the hidden states `[B, S, H]` where `mask` `[B, S]` is 1, of length 1: `[B, H]`."""
    weights = (mask != 0).astype(np.float32)[:, :, None]
    means = (hidden * weights).sum(1) / np.maximum(weights.sum(1), 1)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    embeddings: FloatArray = means / np.maximum(lengths, 1e-12)
    return embeddings
