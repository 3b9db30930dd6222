"""What a request's own time means for Triton's gRPC side."""

from __future__ import annotations

import threading
import time

import pytest
from tritonclient.grpc import service_pb2

from app.errors import BackendTimeout, BackendUnavailable
from app.registry.specs import Timeouts
from app.triton.address import Address
from app.triton.grpc_connection import GrpcConnection
from tests.live.waiting import LATE
from tests.triton.grpc_client.peers import Peer

HOUR = 3600.0


def test_the_requests_own_time_ends_the_waiting_for_a_connection() -> None:
    over = threading.Event()
    with Peer(lambda _: over.wait(HOUR)) as peer:
        connection = GrpcConnection(Address.parse(peer.address))
        begun = time.monotonic()
        with pytest.raises(BackendTimeout):
            connection.stream(
                service_pb2.ModelInferRequest(),
                Timeouts(3 * LATE, HOUR, HOUR, HOUR),
                deadline=begun + 0.3,
            )
        assert time.monotonic() - begun < 0.3 + LATE
        over.set()


def test_a_triton_that_cannot_be_reached_in_its_time_is_none() -> None:
    over = threading.Event()
    with Peer(lambda _: over.wait(HOUR)) as peer:
        connection = GrpcConnection(Address.parse(peer.address))
        with pytest.raises(BackendUnavailable):
            connection.stream(
                service_pb2.ModelInferRequest(),
                Timeouts(0.3, HOUR, HOUR, HOUR),
                deadline=time.monotonic() + HOUR,
            )
        over.set()
