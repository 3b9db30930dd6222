"""Rerank models: a query and a document in, a relevance score out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.backends.encoder import Encoder, Row
from app.registry import RerankSpec
from app.triton.contract import ModelContract
from app.triton.errors import broken_contract
from app.triton.http_connection import HttpConnection
from app.triton.tensors import Array
from app.types import RequestContext


class CrossEncoder:
    """One rerank model."""

    def __init__(self, spec: RerankSpec, connection: HttpConnection) -> None:
        self._spec = spec
        self._encoder = Encoder(spec, connection)
        self.is_ready = self._encoder.is_ready

    def check_contract(self) -> None:
        """Refuse a model whose tensors do not fit the configuration."""
        self._encoder.check_contract(self._output(self._encoder.contract))

    def score(self, pairs: Sequence[Row], context: RequestContext) -> list[float]:
        """One score for each pair, in order."""
        output = self._output(self._encoder.contract)
        results = self._encoder.encode(pairs, output, context)
        return [self._activated(values.reshape(-1)) for values, _ in results]

    def _output(self, contract: ModelContract) -> str:
        if self._spec.output is not None:
            return self._spec.output
        return "logits" if "logits" in contract.outputs else next(iter(contract.outputs))

    def _activated(self, logits: Array) -> float:
        values = logits.astype(np.float64)
        if self._spec.activation == "softmax":
            return softmax_of_last(values)
        if len(values) != 1:
            raise broken_contract(f"{len(values)} logits; set output_config.process to softmax")
        score = float(values[0])
        return logistic(score) if self._spec.activation == "normalize" else score


def logistic(score: float) -> float:
    """1 / (1 + e^-score), exact at both ends."""
    if score >= 0:
        return float(1 / (1 + np.exp(-score)))
    return float(np.exp(score) / (1 + np.exp(score)))


def softmax_of_last(logits: NDArray[np.float64]) -> float:
    """The probability of the second of two logits, "relevant"."""
    if len(logits) != 2:
        raise broken_contract(f"softmax needs two logits, there are {len(logits)}")
    return logistic(float(logits[1] - logits[0]))
