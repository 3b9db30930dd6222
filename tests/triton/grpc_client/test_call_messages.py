"""Messages of a call in any parts, and the room that the server is given for them."""

from __future__ import annotations

import math
import time

import pytest
from h2.settings import SettingCodes
from hypothesis import example, given
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.call import MAX_MESSAGE_BYTES, Call, CallEnded
from app.triton.grpc_client.http2 import CONNECTION_WINDOW, CREDIT_BYTES, STREAM_WINDOW
from app.triton.grpc_client.status import Status
from tests.triton.grpc_client.both_ends import (
    CUTS,
    HEADERS,
    REQUEST,
    TRAILERS,
    data_frame,
    headers_frame,
    said,
    split,
)
from tests.triton.grpc_client.h2_server import H2Server
from tests.triton.grpc_client.lines import ProtocolLine, framed_all, started

MESSAGES = st.lists(st.binary(max_size=60), max_size=8)
# Sizes about all the limits there are.
LARGE = st.lists(
    st.sampled_from([0, 1, 16_379, 65_531, 65_536, CREDIT_BYTES, STREAM_WINDOW, 700_000]),
    max_size=4,
).map(lambda sizes: [bytes([size % 251]) * size for size in sizes])
LAST = frames.END_HEADERS | frames.END_STREAM


def credited(line: ProtocolLine, stream_id: int = 1) -> int:
    """How many bytes the server is told that it may send in addition."""
    updates = [each for each in said(line.protocol) if each[0] == frames.WINDOW_UPDATE]
    return sum(int.from_bytes(each[3], "big") for each in updates if each[2] == stream_id)


@given(MESSAGES, CUTS, CUTS)
def test_messages_come_whole_from_any_parts(
    messages: list[bytes], frame_cuts: list[int], cuts: list[int]
) -> None:
    line, call = started()
    parts = split(framed_all(messages), frame_cuts)
    data = b"".join(data_frame(1, part) for part in parts) + headers_frame(1, TRAILERS, LAST)
    took = []
    for part in split(data, cuts):
        line.protocol.receive(part)
        if call.num_waiting():
            took.append(call.take(-math.inf))
    took += line.take_all(call)
    assert took == messages
    with pytest.raises(CallEnded) as caught:
        call.take(math.inf)
    assert caught.value.status == Status("OK")


@given(MESSAGES, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9)), max_size=6))
def test_all_bytes_are_given_back_with_their_padding(
    messages: list[bytes], cuts: list[tuple[int, int]]
) -> None:
    line, call = started()
    num_sent = 0
    for part in split(framed_all(messages), [cut for cut, _ in cuts]):
        padding = len(part) % 7
        payload = bytes([padding]) + part + bytes(padding)
        line.protocol.receive(data_frame(1, payload, frames.PADDED))
        num_sent += len(payload)
    line.take_all(call)
    assert call.receive_window + call.uncredited == STREAM_WINDOW
    call.uncredited += CREDIT_BYTES
    line.credit(call)
    assert credited(line) == num_sent + CREDIT_BYTES


def h2_call(**settings: int) -> tuple[ProtocolLine, Call, H2Server]:
    line = ProtocolLine()
    call = Call(line, time.monotonic() + 60)
    names = {getattr(SettingCodes, name): value for name, value in settings.items()}
    server = H2Server(line.protocol, names)
    server.talk()
    line.protocol.open(call, REQUEST, bytes(5))
    server.talk()
    server.conn.send_headers(1, HEADERS)
    server.talk()
    return line, call, server


def send_what_fits(server: H2Server, data: bytes) -> bytes:
    """Send as far as the client's windows go. Returns the rest."""
    while data and (room := server.conn.local_flow_control_window(1)):
        part = data[: min(room, server.conn.max_outbound_frame_size)]
        server.conn.send_data(1, part)
        server.talk()
        data = data[len(part) :]
    return data


@given(LARGE, st.lists(st.integers(0, 3), max_size=10))
def test_messages_of_any_size_arrive_from_another_library(
    messages: list[bytes], takes: list[int]
) -> None:
    _, call, server = h2_call()
    rest, took = framed_all(messages), []
    for num_takes in (*takes, *[len(messages)] * (len(messages) + 1)):
        rest = send_what_fits(server, rest)
        for _ in range(min(num_takes, call.num_waiting())):
            took.append(call.take(-math.inf))
        server.talk()
    assert not rest
    assert took == messages


def test_who_takes_nothing_is_sent_no_more_than_a_window() -> None:
    _, call, server = h2_call()
    message = bytes(995)
    data = framed_all([message] * 1000)
    rest = send_what_fits(server, data)
    assert len(data) - len(rest) == STREAM_WINDOW
    assert call.num_waiting() == STREAM_WINDOW // 1000
    for _ in range(CREDIT_BYTES // 1000):
        assert call.take(-math.inf) == message
        server.talk()
        assert send_what_fits(server, rest) == rest
    call.take(-math.inf)
    server.talk()
    again = send_what_fits(server, rest)
    assert CREDIT_BYTES <= len(rest) - len(again) < CREDIT_BYTES + 1000


@given(st.integers(1, 3 * CREDIT_BYTES))
@example(70_000)
@example(CREDIT_BYTES + 1)
def test_who_takes_nothing_is_sent_few_large_messages(size: int) -> None:
    _, call, server = h2_call()
    send_what_fits(server, framed_all([bytes(size)] * (STREAM_WINDOW // size + 10)))
    assert call.num_waiting() <= STREAM_WINDOW // min(size + 5, CREDIT_BYTES)


def test_one_stream_that_nobody_takes_stops_no_other() -> None:
    line, _, server = h2_call()
    send_what_fits(server, framed_all([bytes(STREAM_WINDOW)]))
    other = Call(line, time.monotonic() + 60)
    line.protocol.open(other, REQUEST, bytes(5))
    server.talk()
    server.conn.send_headers(3, HEADERS)
    # More than the connection's window, by a stream whose answers are taken.
    for _ in range(CONNECTION_WINDOW // 60_000 + 10):
        server.conn.send_data(3, framed_all([bytes(1000)] * 60))
        server.talk()
        assert len(line.take_all(other)) == 60
        server.talk()


@pytest.mark.parametrize("head", [b"\x01\x00\x00\x00\x02", b"\x01\x00\x00\x00\x00"])
def test_a_compressed_message_is_an_error_that_ends_the_call(head: bytes) -> None:
    check_failure(head + b"xy", "INTERNAL", "compressed")


def test_a_message_that_is_too_large_is_an_error_that_ends_the_call() -> None:
    head = b"\x00" + (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big")
    check_failure(head, "RESOURCE_EXHAUSTED", str(MAX_MESSAGE_BYTES + 1))


def check_failure(data: bytes, code: str, text: str) -> None:
    line, call = started()
    line.protocol.receive(data_frame(1, framed_all([b"good"]) + data))
    assert call.take(-math.inf) == b"good"
    assert call.has_waiting(), "the failure can be told at once"
    with pytest.raises(CallEnded, match=text) as caught:
        call.take(math.inf)
    assert caught.value.status.code == code
    assert said(line.protocol) == [(frames.RST_STREAM, 0, 1, b"\x00\x00\x00\x08")]
    with pytest.raises(CallEnded) as again:
        call.take(math.inf)
    assert again.value.status == caught.value.status


@pytest.mark.parametrize("part", [b"\x00", b"\x00\x00\x00\x00", b"\x00\x00\x00\x00\x05hell"])
def test_an_answer_that_ends_within_a_message_is_no_good_one(part: bytes) -> None:
    line, call = started()
    line.protocol.receive(data_frame(1, framed_all([b"first"]) + part))
    line.protocol.receive(headers_frame(1, TRAILERS, LAST))
    assert call.take(-math.inf) == b"first"
    with pytest.raises(CallEnded, match="within a message") as caught:
        call.take(-math.inf)
    assert caught.value.status.code == "INTERNAL"


def test_a_failure_that_ends_within_a_message_is_told_as_it_is() -> None:
    line, call = started()
    line.protocol.receive(data_frame(1, b"\x00"))
    line.protocol.receive(headers_frame(1, [("grpc-status", "14")], LAST))
    with pytest.raises(CallEnded) as caught:
        call.take(-math.inf)
    assert caught.value.status == Status("UNAVAILABLE")


@given(MESSAGES, MESSAGES, st.integers(1, 5))
def test_what_is_discarded_is_given_back(
    before: list[bytes], after: list[bytes], num_large: int
) -> None:
    line, call = started()
    line.protocol.receive(data_frame(1, framed_all(before)))
    call.discard()
    line.protocol.receive(data_frame(1, framed_all(after)))
    for _ in range(num_large):
        # More than a window in the end.
        line.protocol.receive(data_frame(1, bytes(60_000)))
    assert call.num_waiting() == 0
    assert call.receive_window + call.uncredited == STREAM_WINDOW
    assert call.uncredited < CREDIT_BYTES
    line.protocol.receive(headers_frame(1, [("grpc-status", "3")], LAST))
    with pytest.raises(CallEnded) as caught:
        call.take(-math.inf)
    assert caught.value.status.code == "INVALID_ARGUMENT"
