"""What a server's frames do to the streams of a client, and what the client answers."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.frames import ProtocolError
from app.triton.grpc_client.http2 import MAX_HEADER_BYTES, ClientProtocol
from tests.triton.grpc_client.both_ends import (
    CUTS,
    HEADERS,
    REQUEST,
    TRAILERS,
    RecordedStream,
    answer,
    data_frame,
    greeting,
    headers_frame,
    opened,
    said,
    split,
)

LAST = frames.END_HEADERS | frames.END_STREAM
COMPLETE = [
    ("fields", HEADERS, False),
    ("data", b"hello"),
    ("fields", TRAILERS, True),
    ("end",),
]


@given(st.permutations([1, 3, 5]), CUTS)
def test_any_split_gives_the_same_events(order: list[int], cuts: list[int]) -> None:
    protocol, streams = opened(3)
    data = b"".join(answer(number, b"hello") for number in order)
    for part in split(data, cuts):
        protocol.receive(part)
    assert [stream.events for stream in streams] == [COMPLETE] * 3
    assert not protocol.streams


@given(st.lists(st.integers(0, 200), max_size=5), st.booleans(), st.integers(0, 30))
def test_a_header_block_may_come_in_parts(
    cuts: list[int], has_priority: bool, num_padding: int
) -> None:
    protocol, (stream,) = opened()
    fields = [*HEADERS, ("x-long", "ä" * 100)]
    first, *others = split(Encoder().encode(fields), cuts)
    flags = frames.PADDED | (frames.HAS_PRIORITY if has_priority else 0)
    first = bytes([num_padding]) + bytes(5 * has_priority) + first + bytes(num_padding)
    last = frames.END_HEADERS
    data = frames.frame(frames.HEADERS, flags | (0 if others else last), 1, first)
    for place, part in enumerate(others, 1):
        is_last = place == len(others)
        data += frames.frame(frames.CONTINUATION, last if is_last else 0, 1, part)
    protocol.receive(data)
    assert stream.events == [("fields", fields, False)]


def test_the_table_of_header_fields_is_shared_by_all_streams() -> None:
    protocol, (first, second) = opened(2)
    encoder = Encoder()
    protocol.receive(headers_frame(1, HEADERS, encoder=encoder))
    # Nobody waits for this one any more, and yet the next one builds on it.
    protocol.reset(first, frames.CANCEL)
    protocol.receive(headers_frame(1, [("x-new", "value")], LAST, encoder))
    protocol.receive(headers_frame(3, [("x-new", "value"), *HEADERS], encoder=encoder))
    assert second.events == [("fields", [("x-new", "value"), *HEADERS], False)]


def test_preliminary_headers_come_before_the_others() -> None:
    protocol, (stream,) = opened()
    early = [(":status", "103"), ("link", "x")]
    protocol.receive(headers_frame(1, early) + answer(1, b"hello"))
    assert stream.events == [("fields", early, False), *COMPLETE]


def test_an_answer_may_be_its_last_fields_alone() -> None:
    protocol, (stream,) = opened()
    fields = [(":status", "200"), ("grpc-status", "5")]
    protocol.receive(headers_frame(1, fields, LAST))
    assert stream.events == [("fields", fields, True), ("end",)]
    assert not protocol.streams


def test_an_answer_may_end_behind_its_data() -> None:
    protocol, (stream,) = opened()
    protocol.receive(headers_frame(1, HEADERS) + data_frame(1, b"x", frames.END_STREAM))
    assert stream.events[1:] == [("data", b"x"), ("end",)]


@pytest.mark.parametrize("code", [0, 1, 2, 5, 7, 8, 11, 12, 2**32 - 1])
def test_a_reset_ends_its_stream_only(code: int) -> None:
    protocol, (first, second) = opened(2)
    protocol.receive(frames.reset_frame(1, code))
    assert first.events == [("reset", code)]
    protocol.receive(answer(3, b"hello"))
    assert second.events == COMPLETE
    # What was on the way is ignored.
    protocol.receive(data_frame(1, b"late") + frames.reset_frame(1, code))
    assert first.events == [("reset", code)]


def test_our_own_reset_is_said_once_and_the_rest_is_ignored() -> None:
    protocol, (stream,) = opened()
    protocol.reset(stream, frames.CANCEL)
    protocol.reset(stream, frames.CANCEL)
    assert said(protocol) == [(frames.RST_STREAM, 0, 1, b"\x00\x00\x00\x08")]
    protocol.receive(answer(1, b"hello"))
    assert stream.events == []


def goaway(last: int, code: int = 0) -> bytes:
    payload = last.to_bytes(4, "big") + code.to_bytes(4, "big") + b"words"
    return frames.frame(frames.GOAWAY, 0, 0, payload)


def test_a_server_that_goes_away_refuses_only_the_streams_behind_its_last() -> None:
    protocol, (first, second, third) = opened(3)
    assert protocol.has_room
    protocol.receive(goaway(2**31 - 1))
    assert not protocol.has_room
    assert first.events == second.events == third.events == []
    protocol.receive(goaway(3))
    assert third.events == [("refused",)]
    protocol.receive(answer(1, b"hello") + answer(3, b"hello"))
    assert first.events == second.events == COMPLETE


def test_a_ping_is_answered_with_its_own_bytes() -> None:
    protocol, _ = opened()
    protocol.receive(frames.frame(frames.PING, 0, 0, b"12345678"))
    assert said(protocol) == [(frames.PING, frames.ACK, 0, b"12345678")]


def test_our_ping_is_not_answered_again() -> None:
    protocol, _ = opened()
    protocol.ping()
    assert said(protocol) == [(frames.PING, 0, 0, bytes(8))]
    protocol.receive(frames.frame(frames.PING, frames.ACK, 0, bytes(8)))
    assert said(protocol) == []


def test_settings_are_acknowledged_and_their_acknowledgement_is_not() -> None:
    protocol, _ = opened()
    protocol.receive(greeting(MAX_CONCURRENT_STREAMS=1))
    assert said(protocol) == [(frames.SETTINGS, frames.ACK, 0, b"")]
    protocol.receive(frames.frame(frames.SETTINGS, frames.ACK, 0))
    assert said(protocol) == []


def test_what_is_unknown_is_ignored() -> None:
    protocol, (stream,) = opened()
    protocol.receive(frames.frame(0x2, 0, 1, bytes(5)))
    protocol.receive(frames.frame(0xAA, 0xFF, 2**31 - 1, b"anything"))
    protocol.receive(frames.settings_frame({0xAAAA: 1, frames.MAX_HEADER_LIST_SIZE: 1}))
    protocol.receive(answer(1, b"hello"))
    assert stream.events == COMPLETE


def test_a_server_has_so_many_streams_at_once_as_it_says() -> None:
    protocol, (first, _) = opened(2, MAX_CONCURRENT_STREAMS=3)
    assert protocol.has_room
    protocol.open(RecordedStream(), REQUEST, b"")
    assert not protocol.has_room
    protocol.reset(first, frames.CANCEL)
    assert protocol.has_room
    protocol.receive(greeting(MAX_CONCURRENT_STREAMS=0))
    assert not protocol.has_room


BREACHES = {
    "no greeting": (answer(1, b""), "begin with its settings", 1),
    "an even stream": (greeting() + answer(2, b""), "stream 2, which nobody opened", 1),
    "a future stream": (greeting() + data_frame(3, b""), "stream 3, which nobody opened", 1),
    "data on no stream": (greeting() + data_frame(0, b""), "stream 0", 1),
    "a reset of none": (greeting() + frames.reset_frame(9, 8), "stream 9", 1),
    "a push": (greeting() + frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), "a push", 1),
    "a short ping": (greeting() + frames.frame(frames.PING, 0, 0, bytes(7)), "PING", 6),
    "a short reset": (greeting() + frames.frame(frames.RST_STREAM, 0, 1, bytes(3)), "short", 6),
    "a short goaway": (greeting() + frames.frame(frames.GOAWAY, 0, 0, bytes(3)), "short", 6),
    "fields that are none": (
        greeting() + frames.frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff"),
        "header fields",
        9,
    ),
    "a frame within a block": (
        greeting() + frames.frame(frames.HEADERS, 0, 1) + data_frame(1, b""),
        "not complete",
        1,
    ),
    "a part of no block": (
        greeting() + frames.frame(frames.CONTINUATION, 4, 1),
        "CONTINUATION of nothing",
        1,
    ),
    "a part of another's block": (
        greeting() + frames.frame(frames.HEADERS, 0, 1) + frames.frame(frames.CONTINUATION, 4, 3),
        "CONTINUATION of nothing",
        1,
    ),
    "a tiny largest frame": (greeting(MAX_FRAME_SIZE=100), "MAX_FRAME_SIZE", 1),
    "a huge window": (greeting(INITIAL_WINDOW_SIZE=2**31), "INITIAL_WINDOW_SIZE", 3),
    "windows that overflow": (greeting() + frames.window_frame(0, 2**31 - 1), "window", 3),
    "a stream's that does": (greeting() + frames.window_frame(1, 2**31 - 1), "window", 3),
    "all padding": (
        greeting() + frames.frame(frames.DATA, frames.PADDED, 1, bytes([9])),
        "padding",
        1,
    ),
}


@pytest.mark.parametrize(("data", "text", "code"), BREACHES.values(), ids=BREACHES.keys())
def test_who_breaks_the_rules_is_told_which(data: bytes, text: str, code: int) -> None:
    protocol = ClientProtocol()
    protocol.open(RecordedStream(), REQUEST, b"12345")
    with pytest.raises(ProtocolError, match=text) as caught:
        protocol.receive(data)
    assert caught.value.code == code


def test_endless_header_fields_are_refused_before_they_are_kept() -> None:
    protocol, _ = opened()
    protocol.receive(frames.frame(frames.HEADERS, 0, 1, bytes(16_384)))
    part = frames.frame(frames.CONTINUATION, 0, 1, bytes(16_384))
    with pytest.raises(ProtocolError, match="too many header fields"):
        protocol.receive(part * (MAX_HEADER_BYTES // 16_384))


def test_fields_that_unfold_to_too_much_are_refused() -> None:
    protocol, _ = opened()
    encoder = Encoder()
    # One entry of the table, and then hundreds of references of one byte to it.
    block = encoder.encode([("x", "y" * 4000)]) + b"\xbe" * 100
    with pytest.raises(ProtocolError, match="header fields"):
        protocol.receive(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block))


def test_bytes_of_no_known_text_do_not_end_the_connection() -> None:
    protocol, (stream,) = opened()
    block = Encoder().encode([(b":status", b"200"), (b"grpc-message", b"gr\xfc\xdfe")])
    protocol.receive(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block))
    assert stream.events == [
        ("fields", [(":status", "200"), ("grpc-message", "gr\ufffd\ufffde")], False)
    ]
