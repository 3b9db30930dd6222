"""What all language models share: the contract, and one stream for each job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any

from app.backends.generation import GenerationJob
from app.backends.sending import Sending, Values, required_inputs
from app.errors import ApiError
from app.registry import LanguageModelSpec
from app.triton.contract import KeptContract, ModelContract
from app.triton.errors import broken_contract
from app.triton.grpc_connection import GrpcConnection
from app.triton.model_stream import EndOfStream
from app.triton.replicas import Replicas

log = logging.getLogger(__name__)

Messages = Generator[Any | None, None, None]


class StreamedModel:
    """One language model in its Tritons, reached over gRPC.

    It `is_cumulative` if each answer to a request repeats what those before it said. All its
    Tritons are expected to have it with the same contract.
    """

    def __init__(
        self,
        spec: LanguageModelSpec,
        replicas: Replicas[GrpcConnection],
        *,
        is_cumulative: bool = False,
    ) -> None:
        self.spec = spec
        self.is_cumulative = is_cumulative
        self.replicas = replicas
        self._contract = KeptContract()

    @property
    def contract(self) -> ModelContract:
        """The model's contract. Raises what its reading raises."""
        return self._contract.get(self._read_contract)

    def contract_from(self, connection: GrpcConnection) -> ModelContract:
        """The same; if it is not known, this Triton is asked."""
        return self._contract.get(lambda: self._contract_of(connection), connection)

    def checked(self, check: Callable[[ModelContract], object]) -> ModelContract:
        """The model's contract; one that does not pass `check` is read again next time.

        Raises:
            ApiError: what its reading and `check` raise.
        """
        contract = self.contract
        try:
            check(contract)
        except ApiError:
            self.forget_contract()
            raise
        return contract

    def forget_contract(self) -> None:
        """Read it again next time: a Triton was restarted, or is out of reach."""
        self._contract.forget()

    def changed_contract(self, connection: GrpcConnection, known: ModelContract) -> ModelContract:
        """The contract as this Triton has it, which refused what fitted the `known` one.

        Raises:
            BackendError: it is still that.
        """
        contract = self._contract_of(connection)
        self._contract.replace(contract)
        if contract == known:
            raise broken_contract("Triton refuses tensors that the model's configuration declares")
        log.info("the model %s has changed in Triton; sending again", self.spec.name)
        return contract

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
        sending = Sending(self, job, values)
        arrivals = job.context.arrivals
        try:
            message = sending.begin()
            arrivals.follow(sending.has_waiting)
            while True:
                yield message
                is_awaited = arrivals.is_gathering and arrivals.must_be_told()
                message = None if is_awaited else sending.next()
        except EndOfStream:
            sending.ended()
        finally:
            arrivals.follow(None)
            contract = sending.contract
            # A contract that is known has not been sent to yet, if that is what failed.
            is_drained = (
                contract is not None
                and sending.is_sent
                and (self._is_drained(contract) or has_ended(contract))
            )
            sending.leave(is_drained=is_drained)

    def _read_contract(self) -> ModelContract:
        contract, lease = self.replicas.attempt(lambda lease: self._contract_of(lease.connection))
        # That it can be asked about a model is no proof that the model works.
        lease.close()
        return contract

    def _contract_of(self, connection: GrpcConnection) -> ModelContract:
        spec = self.spec
        return connection.contract(spec.triton_model, spec.triton_version, spec.timeouts)

    def _is_drained(self, contract: ModelContract) -> bool:
        if self.spec.cancel is not None:
            return self.spec.cancel == "drain"
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
