"""Requests never go over a window or a frame's size, as a server that checks both sees it."""

from __future__ import annotations

import random

from h2.events import RequestReceived
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.http2 import ClientProtocol
from tests.triton.grpc_client.both_ends import (
    REQUEST,
    RecordedStream,
    greeting,
    opened,
    said,
)
from tests.triton.grpc_client.h2_server import H2Server

SIZES = st.integers(1, 100_000)
WINDOWS = st.integers(0, 100_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), SIZES),
        st.tuples(st.just("initial window"), WINDOWS),
        st.tuples(st.just("frame size"), st.integers(16_384, 40_000)),
        st.tuples(st.just("more for one"), SIZES),
        st.tuples(st.just("more for all"), SIZES),
    ),
    max_size=12,
)


def body(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def take_step(
    server: H2Server, client: ClientProtocol, bodies: list[bytes], step: str, n: int
) -> None:
    if step == "open":
        bodies.append(body(n))
        client.open(RecordedStream(), REQUEST, bodies[-1])
    elif step == "initial window":
        server.conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: n})
    elif step == "frame size":
        server.conn.update_settings({SettingCodes.MAX_FRAME_SIZE: n})
    elif step == "more for all":
        server.conn.increment_flow_control_window(n)
    elif bodies:
        stream_id = 2 * (n % len(bodies)) + 1
        if not server.has_whole(stream_id):
            server.conn.increment_flow_control_window(n, stream_id)


def grant_everything(server: H2Server) -> None:
    server.conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1_000_000})
    server.conn.increment_flow_control_window(10_000_000)
    server.talk()


@given(WINDOWS, STEPS)
def test_no_window_is_overrun_and_all_arrives_in_the_end(
    first_window: int, steps: list[tuple[str, int]]
) -> None:
    client, bodies = ClientProtocol(), [body(50_000)]
    server = H2Server(client, {SettingCodes.INITIAL_WINDOW_SIZE: first_window})
    server.talk()
    client.open(RecordedStream(), REQUEST, bodies[0])
    server.talk()
    for step, number in steps:
        take_step(server, client, bodies, step, number)
        server.talk()
        for place, wanted in enumerate(bodies):
            assert wanted.startswith(server.body(2 * place + 1))
    grant_everything(server)
    for place, wanted in enumerate(bodies):
        assert server.body(2 * place + 1) == wanted
        assert server.has_whole(2 * place + 1)


def sent_bytes(client: ClientProtocol) -> list[int]:
    return [len(payload) for kind, _, _, payload in said(client) if kind == frames.DATA]


def test_a_window_below_zero_must_be_filled_up_first() -> None:
    client, _ = opened(0, INITIAL_WINDOW_SIZE=1000)
    client.open(RecordedStream(), REQUEST, bytes(3000))
    assert sent_bytes(client) == [1000]
    client.receive(greeting(INITIAL_WINDOW_SIZE=100))
    client.receive(frames.window_frame(1, 900))
    assert sent_bytes(client) == []
    client.receive(frames.window_frame(1, 1))
    assert sent_bytes(client) == [1]
    client.receive(greeting(INITIAL_WINDOW_SIZE=150))
    assert sent_bytes(client) == [50]


def test_a_whole_window_is_used_and_not_a_byte_more() -> None:
    client, _ = opened(0, INITIAL_WINDOW_SIZE=2**31 - 1)
    client.open(RecordedStream(), REQUEST, bytes(70_000))
    assert sent_bytes(client) == [16_384, 16_384, 16_384, 16_383]
    client.receive(frames.window_frame(0, 10))
    assert sent_bytes(client) == [10]


def test_an_answer_before_the_whole_request_ends_the_request() -> None:
    client, _ = opened(0, INITIAL_WINDOW_SIZE=10)
    stream = RecordedStream()
    client.open(stream, REQUEST, bytes(100))
    said(client)
    client.receive(frames.frame(frames.DATA, frames.END_STREAM, 1))
    assert said(client) == [(frames.RST_STREAM, 0, 1, bytes(4))]
    assert stream.events == [("data", b""), ("end",)]
    client.receive(frames.window_frame(1, 1000))
    assert said(client) == []


@given(st.integers(0, 4096), st.lists(st.integers(0, 8192), max_size=3))
def test_a_server_may_keep_any_table_of_header_fields(first: int, later: list[int]) -> None:
    client = ClientProtocol()
    server = H2Server(client, {SettingCodes.HEADER_TABLE_SIZE: first})
    for size in (first, *later):
        server.conn.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
        server.talk()
        client.open(RecordedStream(), REQUEST, bytes(5))
        server.talk()
    requests = [each for each in server.events if isinstance(each, RequestReceived)]
    assert len(requests) == len(later) + 1
    assert dict(requests[-1].headers or ()) == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/service/method",
        ":authority": "server:1",
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": dict(requests[0].headers or ())["user-agent"],
        "grpc-timeout": "5000m",
    }
