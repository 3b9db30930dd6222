"""One job's stream: sent to a Triton, sent again where that is safe, and left in the right way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from app.backends.generation import GenerationJob
from app.errors import ApiError, ClientDisconnected
from app.observability.log_fields import about
from app.registry import LanguageModelSpec
from app.triton.contract import ModelContract, TensorSpec
from app.triton.errors import ContractMismatch, broken_contract, is_backend_failure
from app.triton.grpc_connection import GrpcConnection
from app.triton.model_stream import ModelStream
from app.triton.replicas import Lease, Replicas
from app.triton.tensors import Array, cast, infer_request

log = logging.getLogger(__name__)

Values = Mapping[str, Any]


class SendingModel(Protocol):
    """What a sending needs of its model."""

    spec: LanguageModelSpec
    replicas: Replicas[GrpcConnection]
    is_cumulative: bool

    def contract_from(self, connection: GrpcConnection) -> ModelContract:
        """The model's contract, by this Triton if it is not known. Raises what its reading does."""

    def forget_contract(self) -> None:
        """Read it again next time."""

    def changed_contract(self, connection: GrpcConnection, known: ModelContract) -> ModelContract:
        """The contract as this Triton has it. Raises BackendError if that is the known one."""


class Sending:
    """A job on its way. `values` are its tensors by name; those that are declared are sent."""

    def __init__(
        self,
        model: SendingModel,
        job: GenerationJob,
        values: Callable[[ModelContract], Values],
    ) -> None:
        self._model = model
        self._job = job
        self._values = values
        self._stream: ModelStream | None = None
        self._lease: Lease[GrpcConnection] | None = None
        self.contract: ModelContract | None = None

    def begin(self) -> Any | None:
        """Send it; the first answer, or None after a silence.

        Raises:
            EndOfStream: there is none.
            ApiError: what Triton's answer or silence means.
        """
        message, _ = self._model.replicas.attempt(self._first_answer)
        return message

    def next(self) -> Any | None:
        """The next answer, or None after a silence. Raises as `begin`."""
        assert self._stream is not None
        assert self._lease is not None
        try:
            message = self._stream.next(self._job.patience)
        except ClientDisconnected:
            raise self._job.context.cancellation.error from None
        except ApiError as error:
            self._note(error)
            raise
        if message is not None and not self._lease.has_answered:
            self._lease.answered()
        return message

    @property
    def is_sent(self) -> bool:
        """Whether a Triton has it."""
        return self._stream is not None

    def has_waiting(self) -> bool:
        """Whether `next` would not have to wait."""
        return self._stream is not None and self._stream.has_waiting()

    def ended(self) -> None:
        """All answers have come."""
        if self._lease is not None:
            self._lease.succeeded()

    def leave(self, *, is_drained: bool) -> None:
        """Do without what is still to come; one that `is_drained` goes on to its end in Triton."""
        stream, lease, job = self._stream, self._lease, self._job
        if stream is None or lease is None:
            job.when_ended()
            return
        if lease.has_answered:
            lease.succeeded()
        lease.abandoned()
        # Triton 2.51 may die of a cancellation that meets the end of a failed request.
        self._let_go(stream, is_drained=is_drained or stream.has_failed)
        stream.when_ended(job.when_ended)
        stream.when_ended(lease.close)

    def _first_answer(self, lease: Lease[GrpcConnection]) -> Any | None:
        if self._stream is not None:
            # It was refused, so there is nothing to cancel.
            self._let_go(self._stream, is_drained=True)
            self._stream = None
        self._lease = lease
        self.contract = self._model.contract_from(lease.connection)
        self._stream = self._send(lease.connection, self.contract)
        try:
            return self.next()
        except ContractMismatch:
            self._let_go(self._stream, is_drained=True)
            self.contract = self._model.changed_contract(lease.connection, self.contract)
            self._stream = self._send(lease.connection, self.contract)
            return self.next()

    def _send(self, connection: GrpcConnection, contract: ModelContract) -> ModelStream:
        spec, context = self._model.spec, self._job.context
        values = self._tensors(contract)
        request = infer_request(spec.triton_model, spec.triton_version, context.request_id, values)
        for item in self._job.continuations:
            log.debug(
                "%s: %s gets %d prompt tokens and may add %d",
                context.request_id,
                spec.name,
                len(item.prompt_ids),
                item.max_tokens,
                extra=about(context.request_id),
            )
        try:
            stream = connection.stream(
                request,
                spec.timeouts,
                deadline=context.deadline,
                is_cumulative=self._model.is_cumulative,
                traceparent=self._traceparent(),
            )
        except ApiError as error:
            self._note(error)
            raise
        context.cancellation.on_cancel(stream.interrupt)
        return stream

    def _tensors(self, contract: ModelContract) -> dict[str, tuple[str, Array]]:
        try:
            return _declared(self._values(contract), contract)
        except ApiError:
            # Triton has not been asked, so that it cannot have answered.
            if self._lease is not None:
                self._lease.abandoned()
            raise

    def _traceparent(self) -> str | None:
        """What Triton is told of the trace; it is sent now."""
        trace, lease = self._job.context.trace, self._lease
        if trace is None or lease is None:
            return None
        trace.sent_to(lease.replica.address.host, lease.replica.address.port)
        return trace.traceparent

    def _note(self, error: ApiError) -> None:
        if is_backend_failure(error):
            self._model.forget_contract()
        # What a changed model refuses is sent again.
        if self._lease is not None and not isinstance(error, ContractMismatch):
            self._model.replicas.failed(self._lease, error)

    def _let_go(self, stream: ModelStream, *, is_drained: bool) -> None:
        self._job.context.cancellation.forget(stream.interrupt)
        if is_drained:
            stream.drain()
        else:
            stream.cancel()


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
