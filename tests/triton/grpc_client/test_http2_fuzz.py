"""Whatever a server sends: an orderly refusal, or events that make sense, in bounded memory."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.call import Call
from app.triton.grpc_client.frames import ProtocolError
from app.triton.grpc_client.http2 import MAX_FRAME_SIZE, MAX_HEADER_BYTES, STREAM_WINDOW
from tests.triton.grpc_client.both_ends import (
    CUTS,
    REQUEST,
    RecordedStream,
    answer,
    greeting,
    opened,
    split,
)
from tests.triton.grpc_client.lines import ProtocolLine

KNOWN_KINDS = st.integers(0, 10)
SMALL_FRAMES = st.builds(
    frames.frame,
    KNOWN_KINDS,
    st.sampled_from([0, 1, 4, 5, 8, 9, 12, 13, 0x20, 0x2D, 255]),
    st.sampled_from([0, 1, 1, 1, 3, 3, 2, 5]),
    st.one_of(
        st.binary(max_size=20),
        st.integers(0, 2**32 - 1).map(lambda number: number.to_bytes(4, "big")),
        st.integers(0, 2**32 - 1).map(lambda number: bytes([0, 4]) + number.to_bytes(4, "big")),
        st.just(bytes.fromhex("880085f2b24a84ff84497f")),
        st.just(b"\x00\x00\x00\x00\x03abc"),
    ),
)
WHOLE = greeting(INITIAL_WINDOW_SIZE=70_000) + answer(1, b"\x00\x00\x00\x00\x05hello") * 2
MUTATIONS = st.lists(
    st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4
)


def check(events: list[tuple[Any, ...]]) -> None:
    """Nothing follows an end, and there is one at most."""
    kinds = [event[0] for event in events]
    assert not {"end", "reset", "refused"} & set(kinds[:-1])


def receive(data: bytes, cuts: list[int]) -> None:
    protocol, streams = opened(2)
    with suppress(ProtocolError):
        for part in split(data, cuts):
            protocol.receive(part)
    for stream in streams:
        check(stream.events)
        assert len(stream.body) <= STREAM_WINDOW + len(data)
    # What is answered to so few bytes is few as well, and what is kept is bounded.
    assert len(protocol.outgoing) <= 20 * len(data) + 100
    rest = protocol._splitter._rest
    assert len(rest) <= MAX_FRAME_SIZE + 9
    assert protocol._block is None or len(protocol._block[2]) <= MAX_HEADER_BYTES


@settings(max_examples=500)
@given(st.lists(SMALL_FRAMES, max_size=12), CUTS)
def test_random_frames(parts: list[bytes], cuts: list[int]) -> None:
    receive(b"".join(parts), cuts)


@settings(max_examples=300)
@given(st.binary(max_size=400), CUTS)
def test_random_bytes(data: bytes, cuts: list[int]) -> None:
    receive(data, cuts)


@settings(max_examples=500)
@given(MUTATIONS, CUTS)
def test_a_good_answer_with_some_bytes_changed(
    mutations: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(WHOLE)
    for place, value in mutations:
        data[place] = value
    receive(bytes(data), cuts)


@settings(max_examples=500)
@given(st.lists(SMALL_FRAMES, max_size=12), st.binary(max_size=30))
def test_a_call_over_random_frames(parts: list[bytes], message: bytes) -> None:
    line = ProtocolLine()
    call = Call(line, math.inf)
    line.protocol.receive(greeting())
    line.protocol.open(call, REQUEST, b"12345")
    good = len(message).to_bytes(5, "big") + message
    with suppress(ProtocolError):
        line.protocol.receive(b"".join(parts) + answer(1, good))
    line.settle()
    took = line.take_all(call)
    assert sum(map(len, took)) <= len(b"".join(parts)) + len(message)


@settings(max_examples=500)
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(b"\x40\x01a\x01b")), max_size=6))
def test_random_header_blocks(blocks: list[bytes]) -> None:
    protocol, (stream,) = opened()
    unused = RecordedStream()
    with suppress(ProtocolError):
        for block in blocks:
            protocol.receive(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block))
    check(stream.events)
    assert unused.events == []
