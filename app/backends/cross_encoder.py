"""Rerank models: a query and a document in, a relevance score out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from app.backends.encoder import Encoder, Mask, row_dims
from app.backends.encoder_batches import Row
from app.observability.tracing import model_call
from app.registry import RerankSpec
from app.triton.contract import ModelContract
from app.triton.errors import broken_contract
from app.triton.http_connection import HttpConnection
from app.triton.replicas import Replicas
from app.triton.tensors import Array
from app.types import RequestContext


class CrossEncoder:
    """One rerank model."""

    def __init__(
        self, spec: RerankSpec, replicas: Replicas[HttpConnection], pad_id: int = 0
    ) -> None:
        self._spec = spec
        self._encoder = Encoder(spec, replicas, pad_id)
        self.replicas = replicas
        self.max_tokens = self._encoder.max_tokens

    def check_contract(self) -> None:
        """Refuse a model whose tensors do not fit the configuration."""
        with self._encoder.checking() as contract:
            output = self._output(contract)
            self._encoder.check_contract(contract, output)
            dims = row_dims(contract.outputs[output], contract)
            # A single dimension of any length may be that of one logit.
            if dims != (-1,):
                count = math.prod(abs(dim) for dim in dims)
                self._check_count(count, f"output {output} {list(dims)} is")

    def score(
        self, pairs: Sequence[Row], context: RequestContext, *, is_raw: bool = False
    ) -> list[float]:
        """One score for each pair, in order; `is_raw` leaves the activation out."""
        output = self._output(self._encoder.contract)
        num_tokens = sum(len(pair.ids) for pair in pairs)
        with model_call(context, "rerank", self._spec.name, num_tokens) as here:
            logits = self._encoder.encode(pairs, output, here, self._logits)
        is_raw = is_raw or self._spec.activation == "none"
        return logits if is_raw else [logistic(logit) for logit in logits]

    def _output(self, contract: ModelContract) -> str:
        if self._spec.output is not None:
            return self._spec.output
        return "logits" if "logits" in contract.outputs else next(iter(contract.outputs))

    def _logits(self, values: Array, _: Mask) -> list[float]:
        """What the logistic function makes scores of: of two logits the softmax's."""
        logits = values.reshape(len(values), -1).astype(np.float64)
        count = logits.shape[1]
        self._check_count(count, f"{count} numbers for one pair are")
        is_softmax = self._spec.activation == "softmax"
        column = logits[:, 1] - logits[:, 0] if is_softmax else logits[:, 0]
        scores: list[float] = column.tolist()
        return scores

    def _check_count(self, count: int, found: str) -> None:
        """Refuse as many numbers for one pair as make no score; `found` begins the sentence."""
        if count not in (1, 2):
            raise broken_contract(
                f"{found} no score: move the entry to embedding if the"
                " model gives vectors, or name another output in output_config"
            )
        if self._spec.activation == "softmax" and count == 1:
            raise broken_contract("softmax needs two logits, there is 1; leave process out")
        if self._spec.activation != "softmax" and count == 2:
            raise broken_contract("2 logits; set output_config.process to softmax")


def logistic(score: float) -> float:
    """1 / (1 + e^-score), exact at both ends."""
    if score >= 0:
        return 1 / (1 + math.exp(-score))
    return math.exp(score) / (1 + math.exp(score))
