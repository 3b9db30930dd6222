"""Embedding models: token vectors or pooled vectors into one vector for each text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.backends.encoder import Encoder, Mask, row_dims
from app.backends.encoder_batches import Row
from app.observability.tracing import model_call
from app.registry import EmbeddingSpec
from app.triton.contract import ModelContract, TensorSpec
from app.triton.errors import broken_contract
from app.triton.http_connection import HttpConnection
from app.triton.replicas import Replicas
from app.triton.tensors import Array
from app.types import RequestContext

# How many dimensions the output for one text has.
TOKEN_VECTORS, ONE_VECTOR = 2, 1

# `[H]` and `[B, H]`.
Vector: TypeAlias = NDArray[np.float32]
Vectors: TypeAlias = NDArray[np.float32]


class Embedding:
    """One embedding model."""

    def __init__(
        self, spec: EmbeddingSpec, replicas: Replicas[HttpConnection], pad_id: int = 0
    ) -> None:
        self._spec = spec
        self._encoder = Encoder(spec, replicas, pad_id)
        self.replicas = replicas
        self.max_tokens = self._encoder.max_tokens

    def check_contract(self) -> None:
        """Refuse a model whose tensors do not fit the configuration."""
        with self._encoder.checking() as contract:
            self._encoder.check_contract(contract, self._output(contract))

    def embed(self, id_rows: Sequence[Sequence[int]], context: RequestContext) -> list[Vector]:
        """One vector `[H]` for each row of token ids, in order."""
        output = self._output(self._encoder.contract)
        rows = [Row(ids) for ids in id_rows]
        num_tokens = sum(map(len, id_rows))
        with model_call(context, "embeddings", self._spec.name, num_tokens) as here:
            return self._encoder.encode(rows, output, here, self._vectors)

    def _output(self, contract: ModelContract) -> str:
        """The configured output, or a pooled one, or token vectors, or the only one there is."""
        outputs = contract.outputs
        if self._spec.output is not None:
            return self._spec.output
        if "sentence_embedding" in outputs:
            return "sentence_embedding"
        for wanted in (TOKEN_VECTORS, ONE_VECTOR):
            for name, tensor in outputs.items():
                num_dims = len(row_dims(tensor, contract))
                if num_dims == wanted and not _is_score(name, tensor):
                    return name
        declared = ", ".join(f"{name} {list(tensor.dims)}" for name, tensor in outputs.items())
        raise broken_contract(
            f"no output of vectors, only {declared}: move the entry to rerank if the model scores"
            " pairs, or name the output in output_config"
        )

    def _vectors(self, values: Array, masks: Mask) -> list[Vector]:
        with np.errstate(over="ignore"):
            vectors = self._pooled(values, masks)
        if not np.isfinite(vectors).all():
            raise broken_contract("the output holds numbers that float32 cannot hold")
        return list(normalized(vectors) if self._spec.is_normalized else vectors)

    def _pooled(self, values: Array, masks: Mask) -> Vectors:
        """A new array `[B, H]`: a view would keep the whole output."""
        if values.ndim == 2:
            return values.astype(np.float32)
        if values.ndim != 3 or self._spec.pooling == "none":
            shape = values.shape[1:]
            raise broken_contract(f"an output of shape {shape} needs pooling cls or mean")
        if self._spec.pooling == "cls":
            return np.asarray(values[:, 0].astype(np.float32))
        return _means(values, masks)


def _means(values: Array, masks: Mask) -> Vectors:
    """`[B, H]`: the mean of each row's real tokens, which come first."""
    if values.shape[1] != masks.shape[1]:
        raise broken_contract(f"{masks.shape[1]} tokens gave {values.shape[1]} vectors")
    lengths = masks.sum(axis=1)
    return np.stack(
        [
            row[:length].astype(np.float32, copy=False).mean(axis=0)
            for row, length in zip(values, lengths, strict=True)
        ]
    )


def _is_score(name: str, tensor: TensorSpec) -> bool:
    """Whether an output is a classifier's, by its usual name or its width."""
    return name == "logits" or tensor.dims[-1] == 1


def normalized(vectors: Vectors) -> Vectors:
    """A vector `[H]`, or each of `[B, H]`, at length 1; a zero vector stays zero."""
    # As products of a row and a column, which BLAS sums as it does one vector's own.
    squares = np.matmul(vectors[..., None, :], vectors[..., :, None])[..., 0]
    lengths = np.sqrt(squares)
    return np.asarray(vectors / np.where(lengths == 0, np.float32(1), lengths))
