"""What all language models share: the contract, one stream for each job, and leaving it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from typing import Any

from app.backends.generation import GenerationJob
from app.errors import ApiError
from app.registry import LanguageModelSpec
from app.triton.contract import KeptContract, ModelContract, TensorSpec
from app.triton.errors import ContractMismatch, broken_contract, is_transport_failure
from app.triton.grpc_connection import GrpcConnection
from app.triton.model_stream import EndOfStream, ModelStream
from app.triton.tensors import Array, cast, infer_request

log = logging.getLogger(__name__)

Values = Mapping[str, Any]
Messages = Generator[Any | None, None, None]


class StreamedModel:
    """One language model in Triton, reached over gRPC.

    It `is_cumulative` if each answer to a request repeats what those before it said.
    """

    def __init__(
        self,
        spec: LanguageModelSpec,
        connection: GrpcConnection,
        *,
        is_cumulative: bool = False,
    ) -> None:
        self._spec = spec
        self._is_cumulative = is_cumulative
        self._connection = connection
        self._contract = KeptContract(
            lambda: connection.contract(spec.triton_model, spec.triton_version, spec.timeouts)
        )

    @property
    def contract(self) -> ModelContract:
        """The model's contract. Raises what its reading raises."""
        return self._contract.get()

    def checked(self, check: Callable[[ModelContract], object]) -> ModelContract:
        """The model's contract; one that does not pass `check` is read again next time.

        Raises:
            ApiError: what its reading and `check` raise.
        """
        contract = self.contract
        try:
            check(contract)
        except ApiError:
            self._contract.forget()
            raise
        return contract

    def is_ready(self) -> bool:
        """Whether Triton says that the model is ready."""
        spec = self._spec
        return self._connection.is_model_ready(
            spec.triton_model, spec.triton_version, spec.timeouts.connect
        )

    def messages(
        self,
        job: GenerationJob,
        values: Callable[[ModelContract], Values],
        has_ended: Callable[[ModelContract], bool],
    ) -> Messages:
        """Triton's answers to a job as they come, None after a silence, to the stream's end.

        `values` are the job's tensors by name; those that the model declares are sent. Closing
        this ends the model's work, unless it `has_ended` itself or cannot be interrupted.
        """
        stream: ModelStream | None = None
        is_drained = False
        try:
            contract = self.contract
            is_drained = self._is_drained(contract)
            stream = self._send(job, values(contract), contract)
            try:
                message = self._next(stream, job)
            except ContractMismatch:
                job.context.cancellation.forget(stream.interrupt)
                stream.drain()
                contract = self._changed(contract)
                stream = self._send(job, values(contract), contract)
                message = self._next(stream, job)
            arrivals = job.context.arrivals
            arrivals.follow(stream.has_waiting)
            while True:
                yield message
                is_awaited = arrivals.is_gathering and arrivals.must_be_told()
                message = None if is_awaited else self._next(stream, job)
        except EndOfStream:
            return
        finally:
            job.context.arrivals.follow(None)
            if stream is None:
                job.when_ended()
            else:
                # Triton 2.51 may die of a cancellation that meets the end of a failed request.
                is_drained = is_drained or stream.has_failed or has_ended(contract)
                self._leave(stream, job, is_drained=is_drained)

    def _send(self, job: GenerationJob, values: Values, contract: ModelContract) -> ModelStream:
        spec = self._spec
        request = infer_request(
            spec.triton_model,
            spec.triton_version,
            job.context.request_id,
            _declared(values, contract),
        )
        for item in job.continuations:
            log.debug(
                "%s: %s gets %d prompt tokens and may add %d",
                job.context.request_id,
                spec.name,
                len(item.prompt_ids),
                item.max_tokens,
            )
        stream = self._connection.stream(request, spec.timeouts, is_cumulative=self._is_cumulative)
        job.context.cancellation.on_cancel(stream.interrupt)
        return stream

    def _next(self, stream: ModelStream, job: GenerationJob) -> Any | None:
        try:
            return stream.next(job.patience)
        except ApiError as error:
            if is_transport_failure(error):
                self._contract.forget()
            raise

    def _changed(self, known: ModelContract) -> ModelContract:
        self._contract.forget()
        contract = self._contract.get()
        if contract == known:
            raise broken_contract("Triton refuses tensors that the model's configuration declares")
        log.info("the model %s has changed in Triton; sending again", self._spec.name)
        return contract

    @staticmethod
    def _leave(stream: ModelStream, job: GenerationJob, *, is_drained: bool) -> None:
        job.context.cancellation.forget(stream.interrupt)
        if is_drained:
            stream.drain()
        else:
            stream.cancel()
        stream.when_ended(job.when_ended)

    def _is_drained(self, contract: ModelContract) -> bool:
        if self._spec.cancel is not None:
            return self._spec.cancel == "drain"
        # FasterTransformer itself generates to the end whatever the client does.
        return contract.backend == "fastertransformer"


def check_tensors(contract: ModelContract, outputs: tuple[str, ...], known: set[str]) -> None:
    """Refuse a model without these outputs, or that requires an input that is not `known`.

    Raises:
        BackendError: with a detail for the operator.
    """
    absent = [name for name in outputs if name not in contract.outputs]
    if absent:
        raise broken_contract(f"the model declares no {', '.join(absent)}")
    unknown = required_inputs(contract) - known
    if unknown:
        raise broken_contract(f"the model requires {', '.join(sorted(unknown))}")


def required_inputs(contract: ModelContract) -> set[str]:
    """Names of the inputs that every request must have."""
    return {name for name, tensor in contract.inputs.items() if not tensor.is_optional}


def _declared(values: Values, contract: ModelContract) -> dict[str, tuple[str, Array]]:
    """The declared tensors as (datatype, array). Triton itself only checks their number.

    Raises:
        BackendError: the model requires a tensor that nothing here has a value for.
    """
    missing = sorted(required_inputs(contract) - set(values))
    if missing:
        raise broken_contract(f"the model requires {', '.join(missing)}; see extra_inputs")
    return {
        name: (tensor.datatype, _shaped(values[name], tensor, contract))
        for name, tensor in contract.inputs.items()
        if name in values
    }


def _shaped(value: Any, tensor: TensorSpec, contract: ModelContract) -> Array:
    array = cast(value, tensor.datatype)
    num_dims = len(tensor.dims) + (1 if contract.max_batch_size else 0)
    return array.reshape((1,) * max(num_dims - array.ndim, 0) + array.shape)
