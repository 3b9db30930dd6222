"""Both gRPC clients against a real Triton: streams, their ends, and a Triton that fails."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from app.errors import ApiError, BackendTimeout, BackendUnavailable
from app.registry import Timeouts
from app.triton.address import Address
from app.triton.grpc_connection import CHANNELS, GrpcConnection
from app.triton.model_stream import EndOfStream, ModelStream
from app.triton.tensors import infer_request
from demo.counters import Counters, read_counters
from demo.ports import free_ports
from demo.triton import TritonServer
from demo.variants import write_repository
from tests.live.waiting import wait_until

PROMPT = (1, 400, 300, 200)
PATIENT = Timeouts(connect=20, first_token=30, between_tokens=30, total=120)
HASTY = Timeouts(connect=1, first_token=1, between_tokens=1, total=60)


@pytest.fixture(params=list(CHANNELS))
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def connection(client: str, tritonserver: TritonServer) -> GrpcConnection:
    return GrpcConnection(Address.parse(tritonserver.grpc_url), client)


@pytest.fixture(scope="module")
def _own_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("own")
    write_repository(folder, ["ft-slow"])
    server = TritonServer([folder], *free_ports(3))
    yield server
    server.stop()


@pytest.fixture
def own_triton(_own_triton: TritonServer) -> TritonServer:
    """A Triton with ft-slow that may be killed and frozen."""
    with suppress(RuntimeError):
        if _own_triton.is_ready():
            return _own_triton
    _own_triton.start()
    _own_triton.wait_until_ready(60)
    return _own_triton


def tokens_request(model: str, num_tokens: int) -> Any:
    def number(value: float, datatype: str, kind: Any) -> tuple[str, Any]:
        return datatype, np.array([[value]], kind)

    inputs = {
        "input_ids": ("UINT32", np.array([PROMPT], np.uint32)),
        "input_lengths": number(len(PROMPT), "UINT32", np.uint32),
        "request_output_len": number(num_tokens, "UINT32", np.uint32),
        "runtime_top_k": number(1, "UINT32", np.uint32),
        # Without it the story may end too soon.
        "repetition_penalty": number(1.3, "FP32", np.float32),
        "end_id": number(0, "UINT32", np.uint32),
        "start_id": number(1, "UINT32", np.uint32),
    }
    return infer_request(model, "", "id", inputs)


def stream(
    connection: GrpcConnection, model: str, num_tokens: int = 400, timeouts: Timeouts = PATIENT
) -> ModelStream:
    return connection.stream(tokens_request(model, num_tokens), timeouts, is_cumulative=True)


def begun(connection: GrpcConnection, timeouts: Timeouts = PATIENT) -> ModelStream:
    """A stream of ft-slow whose first answer has come; the last would take 20 s."""
    found = stream(connection, "ft-slow", 400, timeouts)
    assert found.next(30) is not None
    return found


def rows(found: ModelStream) -> list[list[int]]:
    """The row of each answer, as far as it is written."""
    seen = []
    with suppress(EndOfStream):
        while True:
            response = found.next(30)
            assert response is not None
            ids, length = response.output("output_ids"), response.output("sequence_length")
            if ids is not None and length is not None:
                seen.append([int(value) for value in ids.ravel()[: int(length.ravel()[0])]])
    return seen


def error_of(found: ModelStream) -> ApiError:
    try:
        while True:
            found.next(30)
    except ApiError as error:
        return error


def test_each_answer_adds_to_the_one_before(connection: GrpcConnection) -> None:
    seen = rows(stream(connection, "ft-slow", 12))
    assert len(seen) > 6
    for shorter, longer in pairwise(seen):
        assert longer[: len(shorter)] == shorter
    assert seen[-1][: len(PROMPT)] == list(PROMPT)
    assert len(seen[-1]) > len(PROMPT) + 6


def test_both_clients_are_told_the_same(tritonserver: TritonServer) -> None:
    address = Address.parse(tritonserver.grpc_url)
    said = [
        rows(stream(GrpcConnection(address, client), "demo-chat", 40))[-1] for client in CHANNELS
    ]
    assert said[0] == said[1]
    assert len(said[0]) > 20


def test_256_streams_at_once_all_complete(connection: GrpcConnection) -> None:
    wanted = rows(stream(connection, "demo-chat", 16))[-1]

    def last_row(_: int) -> list[int]:
        return rows(stream(connection, "demo-chat", 16))[-1]

    with ThreadPoolExecutor(256) as pool:
        assert list(pool.map(last_row, range(256))) == [wanted] * 256


def test_what_triton_says_of_its_models(connection: GrpcConnection) -> None:
    assert connection.is_model_ready("demo-chat", "", 20)
    assert connection.is_model_ready("demo-chat", "1", 20)
    with pytest.raises(ApiError):
        connection.contract("no-such-model", "", PATIENT)
    contract = connection.contract("demo-chat", "", PATIENT)
    assert "input_ids" in contract.inputs


def test_a_failure_of_the_model_is_told_in_the_stream(connection: GrpcConnection) -> None:
    found = connection.stream(infer_request("no-such-model", "", "id", {}), PATIENT)
    assert "no-such-model" in (error_of(found).detail or "")


def test_the_model_sees_a_stream_that_is_cancelled(
    connection: GrpcConnection, counters: Callable[[str], Counters]
) -> None:
    before = counters("ft-slow")
    found = begun(connection)
    told = threading.Event()
    found.when_ended(told.set)
    found.cancel()
    assert told.wait(2)
    wait_until(lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation", 5)
    assert counters("ft-slow").completed == before.completed


def test_a_stream_that_drains_goes_on_to_its_end(
    connection: GrpcConnection, counters: Callable[[str], Counters]
) -> None:
    before = counters("ft-slow")
    found = stream(connection, "ft-slow", 20)
    assert found.next(30)
    told = threading.Event()
    found.when_ended(told.set)
    found.drain()
    assert not told.wait(0.2)
    assert told.wait(20)
    wait_until(lambda: counters("ft-slow").completed == before.completed + 1, "the end", 5)
    assert counters("ft-slow").cancelled == before.cancelled


def test_the_whole_time_of_a_stream_is_limited(
    connection: GrpcConnection, counters: Callable[[str], Counters]
) -> None:
    before = counters("ft-slow")
    started = time.monotonic()
    limits = Timeouts(connect=20, first_token=20, between_tokens=20, total=2)
    assert isinstance(error_of(stream(connection, "ft-slow", 400, limits)), BackendTimeout)
    assert time.monotonic() - started < 4
    wait_until(lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation", 5)


def test_a_triton_that_is_killed_ends_all_streams_at_once(
    client: str, own_triton: TritonServer
) -> None:
    connection = GrpcConnection(Address.parse(own_triton.grpc_url), client)
    first = begun(connection)
    # The model answers one after the other, so these have nothing yet.
    found = [first, *(stream(connection, "ft-slow") for _ in range(7))]
    ended = [threading.Event() for _ in found]
    for each, event in zip(found, ended, strict=True):
        each.when_ended(event.set)
    own_triton.kill()
    started = time.monotonic()
    assert {type(error_of(each)) for each in found} == {BackendUnavailable}
    assert time.monotonic() - started < 1
    assert all(event.wait(1) for event in ended)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            rows(stream(connection, "ft-slow", 4, HASTY))
    assert time.monotonic() - started < 3


def test_a_triton_that_comes_back_is_found_soon(client: str, own_triton: TritonServer) -> None:
    connection = GrpcConnection(Address.parse(own_triton.grpc_url), client)
    wanted = rows(stream(connection, "ft-slow", 4))[-1]
    own_triton.kill()
    down_until = time.monotonic() + 3
    while time.monotonic() < down_until:
        with pytest.raises(BackendUnavailable):
            connection.is_model_ready("ft-slow", "", 1)
        time.sleep(0.1)
    own_triton.start()
    own_triton.wait_until_ready(60)

    def is_ready() -> bool:
        with suppress(ApiError):
            return connection.is_model_ready("ft-slow", "", 1)
        return False

    wait_until(is_ready, "the reconnection", 2)
    assert rows(stream(connection, "ft-slow", 4))[-1] == wanted


def test_a_triton_that_is_frozen_does_not_keep_its_callers(
    client: str, own_triton: TritonServer
) -> None:
    connection = GrpcConnection(Address.parse(own_triton.grpc_url), client)
    before = read_counters(own_triton.metrics_url, "ft-slow")
    found = begun(connection, HASTY)
    os.killpg(own_triton.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert isinstance(error_of(found), BackendTimeout)
        assert time.monotonic() - started < 2
        with pytest.raises(BackendUnavailable):
            connection.is_model_ready("ft-slow", "", 1)
        assert time.monotonic() - started < 3.5
        found.cancel()
    finally:
        os.killpg(own_triton.pid, signal.SIGCONT)
    wait_until(
        lambda: read_counters(own_triton.metrics_url, "ft-slow").cancelled > before.cancelled,
        "the cancellation",
        10,
    )
    assert len(rows(stream(connection, "ft-slow", 4))[-1]) > len(PROMPT)
