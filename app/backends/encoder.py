"""What BERT-like models share: padded batches of token ids over Triton's HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import ApiError, ClientDisconnected
from app.registry.specs import EncoderSpec
from app.triton.contract import KeptContract, ModelContract, TensorSpec
from app.triton.errors import ContractMismatch, broken_contract, is_transport_failure
from app.triton.http_connection import HttpConnection
from app.triton.tensors import Array, cast
from app.types import ENCODER_INPUTS, RequestContext

# For a model without Triton's batching, whose own limit nobody states.
DEFAULT_BATCH = 32
MAX_CONCURRENT_BATCHES = 8
# A batch is closed when its longest row would be padded to more than this much of the shortest.
MAX_PADDING_RATIO = 1.5
MAX_PADDING_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One text: its token ids, and which part of a pair each belongs to (0 or 1)."""

    ids: Sequence[int]
    type_ids: Sequence[int] = ()


class Encoder:
    """One model that takes token ids and gives one array for each row."""

    def __init__(self, spec: EncoderSpec, connection: HttpConnection) -> None:
        self._spec = spec
        self._connection = connection
        self._contract = KeptContract(
            lambda: connection.contract(spec.triton_model, spec.triton_version)
        )

    def is_ready(self) -> bool:
        """Whether Triton says that the model is ready."""
        return self._connection.is_model_ready(self._spec.triton_model, self._spec.triton_version)

    def check_contract(self, output: str) -> None:
        """Refuse a model whose tensors do not fit the configuration."""
        self._names(self.contract)
        if output not in self.contract.outputs:
            declared = ", ".join(self.contract.outputs)
            raise broken_contract(f"the model has no output {output}; it declares {declared}")

    @property
    def contract(self) -> ModelContract:
        """The model's contract. Raises what its reading raises."""
        return self._contract.get()

    def encode(
        self, rows: Sequence[Row], output: str, context: RequestContext
    ) -> list[tuple[Array, NDArray[np.bool_]]]:
        """For each row, in order, the output `[…]` and the mask `[S]` of its real tokens.

        Rows of nearly equal length go together, so that little is padded.

        Raises:
            ApiError: of the first batch that failed.
        """
        batches = split_by_length([len(row.ids) for row in rows], self._batch_size())

        def run(batch: Sequence[int]) -> tuple[Array, NDArray[np.bool_]]:
            return self._run([rows[index] for index in batch], output, context)

        results: list[Any] = [None] * len(rows)
        for batch, (values, masks) in zip(batches, _concurrently(run, batches), strict=True):
            for index, value, mask in zip(batch, values, masks, strict=True):
                results[index] = (value, mask)
        return results

    def _batch_size(self) -> int:
        return self.contract.max_batch_size or DEFAULT_BATCH

    def _run(
        self, rows: Sequence[Row], output: str, context: RequestContext
    ) -> tuple[Array, NDArray[np.bool_]]:
        if context.cancellation.is_cancelled:
            raise ClientDisconnected("the client went away")
        known = self.contract
        try:
            return self._infer(rows, output, context, known)
        except ContractMismatch:
            self._contract.forget()
            if self.contract == known:
                raise
            return self._infer(rows, output, context, self.contract)
        except ApiError as error:
            if is_transport_failure(error):
                self._contract.forget()
            raise

    def _infer(
        self, rows: Sequence[Row], output: str, context: RequestContext, contract: ModelContract
    ) -> tuple[Array, NDArray[np.bool_]]:
        spec = self._spec
        tensors = self._tensors(rows, contract)
        values = self._connection.infer(
            spec.triton_model,
            spec.triton_version,
            {name: (contract.inputs[name].datatype, array) for name, array in tensors.items()},
            output,
            context.request_id,
        )
        if values.ndim < 1 or values.shape[0] != len(rows):
            raise broken_contract(f"{len(rows)} rows gave an output of shape {values.shape}")
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise broken_contract(f"output {output} holds {values.dtype} that are not all finite")
        width = max(len(row.ids) for row in rows)
        return values, _mask(rows, max(width, self._fixed_width(contract) or 0))

    def _tensors(self, rows: Sequence[Row], contract: ModelContract) -> Mapping[str, Array]:
        width = self._fixed_width(contract) or max(len(row.ids) for row in rows)
        if max(len(row.ids) for row in rows) > width:
            raise broken_contract(f"the model takes {width} tokens; set max_tokens to that")
        values = {
            "input_ids": _padded([row.ids for row in rows], width),
            "attention_mask": _mask(rows, width),
            "token_type_ids": _padded([row.type_ids for row in rows], width),
        }
        return {
            name: cast(values[role], contract.inputs[name].datatype)
            for role, name in self._names(contract).items()
        }

    def _names(self, contract: ModelContract) -> dict[str, str]:
        """Which declared tensor plays which role."""
        names = {ENCODER_INPUTS[name]: name for name in contract.inputs if name in ENCODER_INPUTS}
        names.update(self._spec.inputs)
        chosen = set(names.values())
        unknown = chosen - set(contract.inputs)
        unfilled = {
            name for name, tensor in contract.inputs.items() if not tensor.is_optional
        } - chosen
        if unknown or unfilled or "input_ids" not in names:
            raise broken_contract(
                f"the model declares {', '.join(contract.inputs)}; fit input_config to them"
            )
        return names

    def _fixed_width(self, contract: ModelContract) -> int | None:
        tensor = contract.inputs[self._names(contract)["input_ids"]]
        last = tensor.dims[-1] if tensor.dims else -1
        return last if last > 0 else None


def output_dims(tensor: TensorSpec, contract: ModelContract) -> int:
    """How many dimensions an output has for one row."""
    return len(tensor.dims) - (0 if contract.max_batch_size else 1)


def split_by_length(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Indexes in batches of at most `most`, the nearly equally long together."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and len(batches[-1]) < most:
            limit = max(
                lengths[batches[-1][0]] * MAX_PADDING_RATIO,
                lengths[batches[-1][0]] + MAX_PADDING_TOKENS,
            )
            if lengths[index] <= limit:
                batches[-1].append(index)
                continue
        batches.append([index])
    return batches


def _concurrently(run: Any, batches: Sequence[Sequence[int]]) -> list[Any]:
    if len(batches) == 1:
        return [run(batches[0])]
    with ThreadPoolExecutor(min(len(batches), MAX_CONCURRENT_BATCHES)) as pool:
        return list(pool.map(run, batches))


def _padded(rows: Sequence[Sequence[int]], width: int) -> NDArray[np.int64]:
    padded = np.zeros((len(rows), width), np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def _mask(rows: Sequence[Row], width: int) -> NDArray[np.bool_]:
    lengths = np.array([len(row.ids) for row in rows])
    return np.asarray(np.arange(width)[None, :] < lengths[:, None])
