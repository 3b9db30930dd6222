"""What BERT-like models share: padded batches of token ids over Triton's HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from app import offload
from app.backends.encoder_batches import Row, mask_of, padded, split_by_length
from app.errors import ApiError, ClientDisconnected
from app.registry.specs import EncoderSpec
from app.triton.contract import KeptContract, ModelContract, TensorSpec
from app.triton.errors import ContractMismatch, broken_contract, is_backend_failure
from app.triton.http_connection import HttpConnection
from app.triton.replicas import Lease, Replicas
from app.triton.tensors import Array, cast
from app.types import ENCODER_INPUTS, RequestContext

# For a model without Triton's batching, whose own limit nobody states.
DEFAULT_BATCH = 32
MAX_CONCURRENT_BATCHES = 8
# Reading so many numbers takes 6 ms in half precision, 1 ms in single precision.
MAX_NUMBERS_ON_LOOP = 2**20
# Quantised models give integers; as vectors and logits they are taken as they are.
READABLE = ("FP16", "BF16", "FP32", "FP64", "INT8", "UINT8")

T = TypeVar("T")
Mask: TypeAlias = NDArray[np.bool_]


class Encoder:
    """One model that takes token ids and gives one array for each row.

    `pad_id` is the tokenizer's token for what is not there.
    """

    def __init__(
        self, spec: EncoderSpec, replicas: Replicas[HttpConnection], pad_id: int = 0
    ) -> None:
        self._spec = spec
        self._replicas = replicas
        self._pad_id = pad_id
        self._contract = KeptContract()

    @contextmanager
    def checking(self) -> Iterator[ModelContract]:
        """The model's contract; one that is refused is read again next time."""
        try:
            yield self.contract
        except ApiError:
            self._contract.forget()
            raise

    def check_contract(self, contract: ModelContract, output: str) -> None:
        """Refuse a model whose tensors do not fit the configuration."""
        self._names(contract)
        if output not in contract.outputs:
            declared = ", ".join(contract.outputs)
            raise broken_contract(f"the model has no output {output}; it declares {declared}")
        datatype = contract.outputs[output].datatype
        if datatype not in READABLE:
            raise broken_contract(f"output {output} is {datatype}, not {', '.join(READABLE)}")

    def max_tokens(self) -> int:
        """The longest row in tokens: the configured one, or what the model's tensors hold.

        Raises:
            ApiError: the contract cannot be read.
        """
        return min(self._spec.max_tokens, _fixed_width(self._ids(self.contract)) or sys.maxsize)

    @property
    def contract(self) -> ModelContract:
        """The model's contract. Raises what its reading raises."""
        return self._contract.get(self._read_contract)

    def encode(
        self,
        rows: Sequence[Row],
        output: str,
        context: RequestContext,
        read: Callable[[Array, Mask], Sequence[T]],
    ) -> list[T]:
        """What `read` makes of each row, in order.

        `read` is given a batch's output `[B, …]`, all finite, and the mask `[B, S]` of its real
        tokens, which come first, and gives a result for each row. A result that refers to the
        output would keep all of it. Rows of nearly equal length go together, so that little is
        padded.

        Raises:
            ApiError: of the first batch that failed.
        """
        batches = split_by_length([len(row.ids) for row in rows], self._batch_size())

        def run(batch: Sequence[int]) -> Sequence[T]:
            values, mask = self._run([rows[index] for index in batch], output, context)
            is_large = values.size > MAX_NUMBERS_ON_LOOP
            return offload.run_if(is_large, lambda: read(_finite(values, output), mask))

        results = chain.from_iterable(_concurrently(run, batches))
        by_index = dict(zip(chain.from_iterable(batches), results, strict=True))
        return [by_index[index] for index in range(len(rows))]

    def _batch_size(self) -> int:
        contract = self.contract
        return contract.max_batch_size or _fixed_rows(self._ids(contract)) or DEFAULT_BATCH

    def _run(self, rows: Sequence[Row], output: str, context: RequestContext) -> tuple[Array, Mask]:
        if context.cancellation.is_cancelled:
            raise context.cancellation.error
        try:
            result, lease = self._replicas.attempt(
                lambda lease: self._asked(lease, rows, output, context),
                repeats_broken=True,
            )
        except ApiError as error:
            if is_backend_failure(error):
                self._contract.forget()
            if isinstance(error, ClientDisconnected):
                raise context.cancellation.error from None
            raise
        lease.succeeded()
        lease.close()
        return result

    def _asked(
        self,
        lease: Lease[HttpConnection],
        rows: Sequence[Row],
        output: str,
        context: RequestContext,
    ) -> tuple[Array, Mask]:
        triton, address = lease.connection, lease.replica.address
        if context.trace is not None:
            context.trace.sent_to(address.host, address.port)
        known = self._contract.get(lambda: self._contract_of(triton), triton)
        try:
            return self._infer(triton, rows, output, context, known)
        except ContractMismatch:
            contract = self._contract_of(triton)
            self._contract.replace(contract)
            if contract == known:
                raise
            return self._infer(triton, rows, output, context, contract)

    def _read_contract(self) -> ModelContract:
        contract, lease = self._replicas.attempt(lambda lease: self._contract_of(lease.connection))
        # That it can be asked about a model is no proof that the model works.
        lease.close()
        return contract

    def _contract_of(self, triton: HttpConnection) -> ModelContract:
        return triton.contract(self._spec.triton_model, self._spec.triton_version)

    def _infer(
        self,
        triton: HttpConnection,
        rows: Sequence[Row],
        output: str,
        context: RequestContext,
        contract: ModelContract,
    ) -> tuple[Array, Mask]:
        spec, names = self._spec, self._names(contract)
        ids, num_rows = contract.inputs[names["input_ids"]], len(rows)
        if not contract.max_batch_size:
            rows = [*rows, *[rows[-1]] * ((_fixed_rows(ids) or 0) - num_rows)]
        width = _fixed_width(ids) or max(len(row.ids) for row in rows)
        if max(len(row.ids) for row in rows) > width:
            raise broken_contract(f"the model takes {width} tokens now, and took more before")
        mask = mask_of(rows, width)
        values = triton.infer(
            spec.triton_model,
            spec.triton_version,
            self._tensors(rows, mask, names, contract),
            output,
            context.request_id,
            deadline=context.deadline,
            cancellation=context.cancellation,
            traceparent=None if context.trace is None else context.trace.traceparent,
        )
        if values.ndim < 1 or values.shape[0] != len(rows):
            raise broken_contract(f"{len(rows)} rows gave an output of shape {values.shape}")
        return values[:num_rows], mask[:num_rows]

    def _tensors(
        self, rows: Sequence[Row], mask: Mask, names: Mapping[str, str], contract: ModelContract
    ) -> Mapping[str, tuple[str, Array]]:
        """The tensors that the model has, each (datatype, array)."""
        width = mask.shape[1]
        values: dict[str, Array] = {
            "input_ids": padded([row.ids for row in rows], width, self._pad_id),
            "attention_mask": mask,
            "token_type_ids": padded([row.type_ids for row in rows], width),
        }
        datatypes = {name: contract.inputs[name].datatype for name in names.values()}
        return {
            name: (datatypes[name], cast(values[role], datatypes[name]))
            for role, name in names.items()
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

    def _ids(self, contract: ModelContract) -> TensorSpec:
        return contract.inputs[self._names(contract)["input_ids"]]


def _fixed_width(ids: TensorSpec) -> int | None:
    """How many tokens every row must have, None for any number."""
    last = ids.dims[-1] if ids.dims else -1
    return last if last > 0 else None


def _fixed_rows(ids: TensorSpec) -> int | None:
    """How many rows every batch must have without Triton's batching, None for any number."""
    first = ids.dims[0] if len(ids.dims) > 1 else -1
    return first if first > 0 else None


def _finite(values: Array, output: str) -> Array:
    """The output, unless something in it is no finite number."""
    is_quantised = values.dtype in (np.int8, np.uint8)
    if not is_quantised and (values.dtype.kind != "f" or not np.isfinite(values).all()):
        raise broken_contract(f"output {output} holds {values.dtype} that are not all finite")
    return values


def row_dims(tensor: TensorSpec, contract: ModelContract) -> tuple[int, ...]:
    """The dimensions of an output for one row, -1 for any."""
    return tensor.dims[0 if contract.max_batch_size else 1 :]


def _concurrently(
    run: Callable[[Sequence[int]], Sequence[T]], batches: Sequence[Sequence[int]]
) -> Sequence[Sequence[T]]:
    """The results in order. After a failure no batch is begun, and those begun are awaited."""
    if len(batches) == 1:
        return [run(batches[0])]
    failures: list[Exception] = []

    def attempt(batch: Sequence[int]) -> Sequence[T]:
        try:
            return () if failures else run(batch)
        except Exception as error:
            failures.append(error)
            return ()

    num_threads = min(len(batches), MAX_CONCURRENT_BATCHES)
    with ThreadPoolExecutor(num_threads, thread_name_prefix="batch") as pool:
        results = list(pool.map(attempt, batches))
    if failures:
        # The error's traceback holds this frame, and that would hold the results.
        results.clear()
        del failures[1:]
        raise failures.pop()
    return results
