"""Frames, as the hyperframe library reads and writes them, in any parts."""

from __future__ import annotations

import hyperframe.frame as other
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.frames import FrameSplitter, ProtocolError
from tests.triton.grpc_client.both_ends import CUTS, split

FRAMES = st.lists(
    st.tuples(
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 2**31 - 1),
        st.binary(max_size=300),
    ),
    max_size=6,
)


@given(FRAMES, CUTS)
def test_any_split_gives_the_same_frames(
    wanted: list[tuple[int, int, int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(frames.frame(*each) for each in wanted)
    splitter = FrameSplitter(300)
    assert [each for part in split(data, cuts) for each in splitter.frames(part)] == wanted


@given(st.binary(max_size=50), st.integers(1, 2**31 - 1))
def test_the_first_bit_of_a_stream_number_means_nothing(payload: bytes, stream_id: int) -> None:
    data = bytearray(frames.frame(frames.DATA, 0, stream_id, payload))
    data[5] |= 0x80
    assert list(FrameSplitter(300).frames(bytes(data))) == [(0, 0, stream_id, payload)]


def test_a_frame_of_the_largest_size_is_the_last_that_is_allowed() -> None:
    assert len(list(FrameSplitter(100).frames(frames.frame(0, 0, 1, bytes(100))))) == 1
    with pytest.raises(ProtocolError, match="a frame of 101 bytes") as caught:
        # Its head is enough: nobody waits for what is not going to be taken.
        list(FrameSplitter(100).frames(frames.frame(0, 0, 1, bytes(101))[:9]))
    assert caught.value.code == frames.FRAME_SIZE_ERROR


@given(st.binary(max_size=40), st.integers(0, 60), st.booleans())
def test_padding_is_taken_off(data: bytes, num_padding: int, is_cut: bool) -> None:
    padded = other.DataFrame(1, data, pad_length=num_padding)
    padded.flags.add("PADDED")
    payload = padded.serialize_body()
    assert frames.without_padding(frames.PADDED, payload) == data
    assert frames.without_padding(0, payload) == payload
    too_short = payload[: num_padding if is_cut else 0]
    with pytest.raises(ProtocolError, match="padding longer"):
        frames.without_padding(frames.PADDED, too_short[:num_padding])


@pytest.mark.parametrize(
    ("ours", "kind", "contents"),
    [
        (frames.reset_frame(7, 8), other.RstStreamFrame, {"stream_id": 7, "error_code": 8}),
        (frames.window_frame(5, 900), other.WindowUpdateFrame, {"window_increment": 900}),
        (frames.goaway_frame(11), other.GoAwayFrame, {"last_stream_id": 0, "error_code": 11}),
        (frames.settings_frame({3: 5, 4: 6}), other.SettingsFrame, {"settings": {3: 5, 4: 6}}),
        (frames.frame(6, 1, 0, b"12345678"), other.PingFrame, {"opaque_data": b"12345678"}),
    ],
)
def test_another_library_reads_what_is_written(
    ours: bytes, kind: type[other.Frame], contents: dict[str, object]
) -> None:
    read, length = other.Frame.parse_frame_header(memoryview(ours[:9]))
    read.parse_body(memoryview(ours[9:]))
    assert (type(read), length) == (kind, len(ours) - 9)
    assert {name: getattr(read, name) for name in contents} == contents


def test_settings_that_are_cut_off_are_an_error() -> None:
    assert frames.read_settings(b"") == {}
    assert frames.read_settings(bytes.fromhex("00030000000a")) == {3: 10}
    with pytest.raises(ProtocolError, match="SETTINGS of a wrong size"):
        frames.read_settings(bytes(7))


def test_a_number_that_is_cut_off_is_an_error() -> None:
    assert frames.number(b"\x00\x00\x01\x00") == 256
    with pytest.raises(ProtocolError, match="too short"):
        frames.number(b"\x00\x00\x01")
