"""BERT's encoder in numpy, float32: token ids to hidden states.

Shapes: B sequences, S tokens with padding, H hidden size (384), D head size (32).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from demo.weights import FloatArray, read_safetensors

IntArray = npt.NDArray[np.integer[Any]]

ERF = (0.3275911, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""Abramowitz and Stegun 7.1.26: p, a1 ... a5; the error is below 1.5e-7, a float32's precision."""


BLOCK_TOKENS = 512
"""Tokens computed at once: their activations fit the processor's cache, which halves the time."""


@dataclass(frozen=True)
class Dense:
    """A linear map: `weight` `[in, out]`, `bias` `[out]`."""

    weight: FloatArray
    bias: FloatArray

    def __call__(self, hidden: FloatArray) -> FloatArray:
        result: FloatArray = hidden @ self.weight + self.bias
        return result


@dataclass(frozen=True)
class Norm:
    """Layer normalisation over the last axis."""

    weight: FloatArray
    bias: FloatArray
    epsilon: np.float32

    def __call__(self, hidden: FloatArray) -> FloatArray:
        centred = hidden - hidden.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        result: FloatArray = centred / np.sqrt(variance + self.epsilon) * self.weight + self.bias
        return result


@dataclass(frozen=True)
class Layer:
    """One layer's weights; `qkv` is the three projections side by side."""

    qkv: Dense
    attention_out: Dense
    attention_norm: Norm
    up: Dense
    down: Dense
    output_norm: Norm


class Encoder:
    """The whole encoder; `encode` keeps no state."""

    def __init__(self, folder: Path) -> None:
        """Load `config.json` and `model.safetensors` of a Hugging Face BertModel."""
        config = json.loads((folder / "config.json").read_text())
        weights = _Weights(folder, np.float32(config["layer_norm_eps"]))
        self.max_len: int = config["max_position_embeddings"]
        self.vocab_size: int = config["vocab_size"]
        self._num_heads: int = config["num_attention_heads"]
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = weights["embeddings.position_embeddings.weight"]
        self._types = weights["embeddings.token_type_embeddings.weight"]
        self._norm = weights.norm("embeddings.LayerNorm")
        self._layers = [weights.layer(index) for index in range(config["num_hidden_layers"])]

    def encode(self, ids: IntArray, mask: IntArray, types: IntArray | None = None) -> FloatArray:
        """Hidden states `[B, S, H]` of `ids` `[B, S]`; `mask` is 1 for tokens and 0 for padding.

        `types` default to 0. Raises `ValueError` for more than `max_len` tokens or an unknown id.
        """
        self._check(ids)
        segments = np.zeros_like(ids) if types is None else types
        rows = max(1, BLOCK_TOKENS // max(1, ids.shape[1]))
        blocks = [slice(start, start + rows) for start in range(0, len(ids), rows)]
        return np.concatenate([self._encode(ids[b], mask[b], segments[b]) for b in blocks])

    def _encode(self, ids: IntArray, mask: IntArray, segments: IntArray) -> FloatArray:
        embedded = self._words[ids] + self._positions[: ids.shape[1]] + self._types[segments]
        hidden = self._norm(embedded)
        # Finite, so that a row of padding alone does not become not-a-number.
        penalty = np.where(mask[:, None, None, :] != 0, np.float32(0), np.float32(-1e9))
        for layer in self._layers:
            hidden = layer.attention_norm(hidden + self._attend(layer, hidden, penalty))
            hidden = layer.output_norm(hidden + layer.down(_gelu(layer.up(hidden))))
        return hidden

    def _check(self, ids: IntArray) -> None:
        if ids.shape[1] > self.max_len:
            raise ValueError(f"{ids.shape[1]} tokens exceed the {self.max_len} of this model")
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < self.vocab_size:
            raise ValueError(f"a token id is outside the vocabulary of {self.vocab_size}")

    def _attend(self, layer: Layer, hidden: FloatArray, penalty: FloatArray) -> FloatArray:
        """Self-attention of `[B, S, H]`; `penalty` `[B, 1, 1, S]` is added to the scores."""
        count, length, size = hidden.shape
        heads = layer.qkv(hidden).reshape(count, length, 3, self._num_heads, -1)
        query, key, value = heads.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(2, 3) / np.float32(np.sqrt(query.shape[-1])) + penalty
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = (weights @ value).swapaxes(1, 2).reshape(count, length, size)
        return layer.attention_out(mixed)


class _Weights:
    """Tensors of the file, put together for the encoder."""

    def __init__(self, folder: Path, epsilon: np.float32) -> None:
        self._tensors = read_safetensors(folder / "model.safetensors")
        self._epsilon = epsilon

    def __getitem__(self, name: str) -> FloatArray:
        return self._tensors[name]

    def norm(self, name: str) -> Norm:
        return Norm(self[f"{name}.weight"], self[f"{name}.bias"], self._epsilon)

    def dense(self, *names: str) -> Dense:
        """The linear maps of these names side by side."""
        weight = np.concatenate([self[f"{name}.weight"] for name in names])
        bias = np.concatenate([self[f"{name}.bias"] for name in names])
        return Dense(np.ascontiguousarray(weight.T), bias)

    def layer(self, index: int) -> Layer:
        prefix = f"encoder.layer.{index}"
        attention = f"{prefix}.attention"
        return Layer(
            qkv=self.dense(*(f"{attention}.self.{part}" for part in ("query", "key", "value"))),
            attention_out=self.dense(f"{attention}.output.dense"),
            attention_norm=self.norm(f"{attention}.output.LayerNorm"),
            up=self.dense(f"{prefix}.intermediate.dense"),
            down=self.dense(f"{prefix}.output.dense"),
            output_norm=self.norm(f"{prefix}.output.LayerNorm"),
        )


def _gelu(values: FloatArray) -> FloatArray:
    """x/2 (1 + erf(x / sqrt 2)), the exact form that BERT was trained with."""
    result: FloatArray = values * np.float32(0.5) * (1 + erf(values * np.float32(np.sqrt(0.5))))
    return result


def erf(values: FloatArray) -> FloatArray:
    """The error function, elementwise."""
    p, *coefficients = (np.float32(each) for each in ERF)
    magnitude = np.abs(values)
    t = 1 / (1 + p * magnitude)
    polynomial = np.zeros_like(t)
    for coefficient in reversed(coefficients):
        polynomial = (polynomial + coefficient) * t
    result: FloatArray = np.copysign(1 - polynomial * np.exp(-magnitude * magnitude), values)
    return result
