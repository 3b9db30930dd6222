"""Both gRPC clients against a real Triton: streams, their ends, and a Triton that fails."""

from __future__ import annotations

import os
import signal
import socket
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
from tests.live.fixtures import START_SECONDS
from tests.live.leaving import at_rest, num_running
from tests.live.waiting import LATE, wait_until

PROMPT = (1, 400, 300, 200)
PATIENT = Timeouts(connect=60, first_token=120, between_tokens=120, total=240)
# Of a Triton that is gone, and of one that is silent.
UNCONNECTED = Timeouts(connect=1, first_token=120, between_tokens=120, total=240)
SILENT = Timeouts(connect=60, first_token=120, between_tokens=2, total=240)
# ft-slow has 20 tokens a second: who sees the end of this has waited for it.
ENDLESS = 1900


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
    if not is_running(_own_triton):
        _own_triton.start()
    _own_triton.wait_until_ready(START_SECONDS)
    return _own_triton


def is_running(triton: TritonServer) -> bool:
    """Whether it is started, be it too busy to say so."""
    with suppress(RuntimeError):
        return triton.exit_code() is None
    return False


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
    connection: GrpcConnection, model: str, num_tokens: int = ENDLESS, timeouts: Timeouts = PATIENT
) -> ModelStream:
    return connection.stream(tokens_request(model, num_tokens), timeouts, is_cumulative=True)


def begun(connection: GrpcConnection, timeouts: Timeouts = PATIENT) -> ModelStream:
    """A stream of ft-slow whose first answer has come."""
    found = stream(connection, "ft-slow", ENDLESS, timeouts)
    assert found.next(60) is not None
    return found


def rows(found: ModelStream) -> list[list[int]]:
    """The row of each answer, as far as it is written."""
    seen = []
    with suppress(EndOfStream):
        while True:
            response = found.next(60)
            assert response is not None
            ids, length = response.output("output_ids"), response.output("sequence_length")
            if ids is not None and length is not None:
                seen.append([int(value) for value in ids.ravel()[: int(length.ravel()[0])]])
    return seen


def error_of(found: ModelStream) -> ApiError:
    try:
        while True:
            found.next(60)
    except ApiError as error:
        return error


def test_each_answer_adds_to_the_one_before(connection: GrpcConnection) -> None:
    # Each of them, also of those that come together.
    every = connection.stream(tokens_request("ft-slow", 12), PATIENT, is_cumulative=False)
    seen = rows(every)
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
    wanted = rows(stream(connection, "demo-chat", 6))[-1]

    def last_row(_: int) -> list[int]:
        return rows(stream(connection, "demo-chat", 6))[-1]

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
    before = at_rest(counters, "ft-slow")
    found = begun(connection)
    told = threading.Event()
    found.when_ended(told.set)
    found.cancel()
    assert told.wait(60)
    wait_until(lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation")
    assert counters("ft-slow").completed == before.completed


def test_a_stream_that_drains_goes_on_to_its_end(
    connection: GrpcConnection, counters: Callable[[str], Counters]
) -> None:
    before = at_rest(counters, "ft-slow")
    found = stream(connection, "ft-slow", 20)
    assert found.next(60)
    told = threading.Event()
    found.when_ended(told.set)
    found.drain()
    assert told.wait(60)
    # The model counts it before it sends the last answer.
    after = counters("ft-slow")
    assert (after.completed, after.cancelled) == (before.completed + 1, before.cancelled)


def test_the_whole_time_of_a_stream_is_limited(
    connection: GrpcConnection, counters: Callable[[str], Counters]
) -> None:
    before = at_rest(counters, "ft-slow")
    assert connection.is_model_ready("ft-slow", "", 60)
    started = time.monotonic()
    limits = Timeouts(connect=60, first_token=120, between_tokens=120, total=2)
    assert isinstance(error_of(stream(connection, "ft-slow", timeouts=limits)), BackendTimeout)
    assert 2 <= time.monotonic() - started < 2 + LATE
    # A busy machine may not have begun it.
    wait_until(lambda: num_running(counters("ft-slow")) == 0, "the cancellation")
    assert counters("ft-slow").completed == before.completed


def test_a_triton_that_is_killed_ends_all_streams_and_is_found_when_it_is_back(
    client: str, own_triton: TritonServer
) -> None:
    connection = GrpcConnection(Address.parse(own_triton.grpc_url), client)
    wanted = rows(stream(connection, "ft-slow", 4))[-1]
    first = begun(connection)
    # Most of these have nothing yet.
    found = [first, *(stream(connection, "ft-slow") for _ in range(7))]
    ended = [threading.Event() for _ in found]
    for each, event in zip(found, ended, strict=True):
        each.when_ended(event.set)
    own_triton.kill()
    killed_at = time.monotonic()
    assert {type(error_of(each)) for each in found} == {BackendUnavailable}
    assert all(event.wait(60) for event in ended)
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            rows(stream(connection, "ft-slow", 4, UNCONNECTED))
    assert time.monotonic() - killed_at < 3 + LATE
    own_triton.start()
    own_triton.wait_until_ready(START_SECONDS)
    back_at = time.monotonic()

    def is_ready() -> bool:
        with suppress(ApiError):
            return connection.is_model_ready("ft-slow", "", 1)
        return False

    wait_until(is_ready, "the reconnection")
    assert time.monotonic() - back_at < 2 + LATE
    assert rows(stream(connection, "ft-slow", 4))[-1] == wanted


def test_a_triton_that_is_gone_is_tried_again_soon(client: str) -> None:
    """However long it is gone: by itself gRPC would need 40 s for eight attempts."""
    tries: list[float] = []

    def turn_away(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].close()
                tries.append(time.monotonic())

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=turn_away, args=(server,), daemon=True).start()
        connection = GrpcConnection(Address.parse("{}:{}".format(*server.getsockname())), client)
        started = time.monotonic()
        while len(tries) < 8:
            with pytest.raises(BackendUnavailable):
                connection.is_model_ready("ft-slow", "", 1)
            assert time.monotonic() - started < 5 + LATE
        server.shutdown(socket.SHUT_RDWR)


def test_a_triton_that_is_frozen_does_not_keep_its_callers(
    client: str, own_triton: TritonServer
) -> None:
    connection = GrpcConnection(Address.parse(own_triton.grpc_url), client)
    before = read_counters(own_triton.metrics_url, "ft-slow")
    found = begun(connection, SILENT)
    os.killpg(own_triton.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert isinstance(error_of(found), BackendTimeout)
        with pytest.raises(BackendUnavailable):
            connection.is_model_ready("ft-slow", "", 1)
        assert time.monotonic() - started < 3 + LATE
        found.cancel()
    finally:
        os.killpg(own_triton.pid, signal.SIGCONT)
    wait_until(
        lambda: read_counters(own_triton.metrics_url, "ft-slow").cancelled > before.cancelled,
        "the cancellation",
    )
    assert len(rows(stream(connection, "ft-slow", 4))[-1]) > len(PROMPT)
