"""A Triton's gRPC side: what its models say of themselves, and streams of their answers."""

from __future__ import annotations

import logging
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from app.errors import ApiError, BackendTimeout, BackendUnavailable
from app.registry import Timeouts
from app.triton.address import Address
from app.triton.contract import ModelContract, contract_from_config
from app.triton.errors import (
    broken_contract,
    classify,
    seconds_left,
    unavailable,
    unreached,
    with_port,
)
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpcio_channel import GrpcioChannel
from app.triton.model_stream import ModelStream, RawCall

log = logging.getLogger(__name__)

SERVICE = "/inference.GRPCInferenceService/"
CHANNELS: dict[str, type[Channel] | type[GrpcioChannel]] = {
    "sockets": Channel,
    "grpcio": GrpcioChannel,
}


class GrpcConnection:
    """A Triton's gRPC side.

    `client` is one of CHANNELS. Nothing is opened before the first call, in the worker.
    """

    def __init__(self, address: Address, client: str = "sockets") -> None:
        self._channel = CHANNELS[client](
            address.host_and_port, is_secure=address.is_secure, authority=address.authority
        )

    def contract(self, model: str, version: str, timeouts: Timeouts) -> ModelContract:
        """The model's contract, which needs a connection within `timeouts.connect` seconds."""
        request = service_pb2.ModelConfigRequest(name=model, version=version)
        answer = self._ask("ModelConfig", request, timeouts.connect)
        config = _read(service_pb2.ModelConfigResponse, answer).config
        contract = contract_from_config(config)
        log.debug("the model %s in Triton: %s", model, contract)
        return contract

    def is_model_ready(self, model: str, version: str, timeout: float) -> bool:
        """Whether Triton says so. Raises ApiError when it cannot be asked."""
        request = service_pb2.ModelReadyRequest(name=model, version=version)
        answer = self._ask("ModelReady", request, timeout)
        return bool(_read(service_pb2.ModelReadyResponse, answer).ready)

    def stream(
        self,
        request: Any,
        timeouts: Timeouts,
        *,
        deadline: float | None = None,
        is_cumulative: bool = False,
        traceparent: str | None = None,
    ) -> ModelStream:
        """Send one `ModelInferRequest` on a stream of its own, half-closed behind it.

        All of it must have come by `deadline`, in seconds of the monotonic clock. Of one that
        `is_cumulative`, answers that a later one repeats may be left out. `traceparent`, one of our
        own, lets a Triton that is traced itself go on with the trace.

        Failures come as messages. The header `triton_grpc_error`, which makes statuses of them,
        ends the call at once, and 2.51 dies of models that send their final flag after that.

        Raises:
            BackendUnavailable: Triton cannot be reached within `timeouts.connect` seconds.
            BackendTimeout: the deadline has passed.
        """
        total = seconds_left(timeouts.total, deadline)
        connect = min(timeouts.connect, total)
        path, message = SERVICE + "ModelStreamInfer", request.SerializeToString()
        try:
            call: RawCall = self._channel.start(path, message, total, connect, traceparent)
        except CallEnded as ended:
            # The request's own time may have been the shorter one.
            seconds_left(total, deadline)
            raise unreached(f"{ended.status.code}: {with_port(ended.status.text)}") from None
        return ModelStream(call, timeouts, deadline=deadline, is_cumulative=is_cumulative)

    def _ask(self, method: str, request: Any, timeout: float) -> bytes:
        try:
            return self._channel.ask(SERVICE + method, request.SerializeToString(), timeout)
        except CallEnded as ended:
            raise _short_call_error(ended) from None


def _read(kind: Any, message: bytes) -> Any:
    """The message. Raises BackendError for bytes that are none."""
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise broken_contract(f"unreadable answer: {error}") from None


def _short_call_error(ended: CallEnded) -> ApiError:
    found = classify(ended.status.code, ended.status.text)
    if isinstance(found, BackendTimeout):
        # A metadata call is answered at once by a Triton that works.
        found = unavailable(found.detail or "")
    # Whatever it was, it was only a question.
    found.has_not_begun = isinstance(found, BackendUnavailable)
    return found
