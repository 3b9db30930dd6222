"""The mock Triton's HTTP/2: every way to write headers, windows, pings, and nonsense."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.native_programs import Mock, mock_triton
from tests.benchmarks.test_native import request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PATH = "/inference.GRPCInferenceService/"


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    with mock_triton(tmp_path_factory.mktemp("mock"), (5,)) as running:
        yield running


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def setting(name: int, value: int) -> bytes:
    return struct.pack(">HI", name, value)


class Connection:
    """A client that says what it is told to, and hears every frame."""

    def __init__(self, mock: Mock, first_settings: bytes = b"") -> None:
        host, port = mock.grpc.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._file = self._socket.makefile("rb")
        self.decoder = hpack.Decoder()
        self.send(PREFACE + frame(SETTINGS, 0, 0, first_settings))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, stream: int, block: bytes, message: bytes = b"") -> None:
        """A call with its one message."""
        body = b"\0" + struct.pack(">I", len(message)) + message
        self.send(frame(HEADERS, END_HEADERS, stream, block))
        self.send(frame(DATA, END_STREAM, stream, body))

    def hear(self) -> tuple[int, int, int, bytes]:
        """Type, flags, stream and payload of the next frame."""
        head = self._file.read(9)
        if len(head) < 9:
            raise EOFError
        (start, flags, stream) = struct.unpack(">IBI", head)
        return start & 0xFF, flags, stream, self._file.read(start >> 8)

    def wait_for(self, kind: int) -> tuple[int, int, bytes]:
        """Flags, stream and payload of the next frame of that type."""
        while True:
            found, *rest = self.hear()
            if found == kind:
                return rest[0], rest[1], rest[2]

    def status(self, stream: int) -> str:
        """The grpc-status of a call."""
        while True:
            flags, found, block = self.wait_for(HEADERS)
            headers = dict(self.decoder.decode(block))
            if found == stream and flags & END_STREAM:
                return headers["grpc-status"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def connection(mock: Mock) -> Iterator[Connection]:
    opened = Connection(mock)
    yield opened
    opened.close()


def call(method: str) -> list[tuple[str, str]]:
    return [(":method", "POST"), (":scheme", "http"), (":path", PATH + method)]


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300)
names = st.text(st.characters(categories=["Ll"], max_codepoint=126), min_size=1, max_size=40)
more_headers = st.lists(st.tuples(names, texts, st.booleans()), max_size=12)


@settings(max_examples=40, deadline=None)
@given(calls=st.lists(st.tuples(more_headers, st.booleans()), min_size=1, max_size=5))
def test_headers_in_every_form(
    mock: Mock, calls: list[tuple[list[tuple[str, str, bool]], bool]]
) -> None:
    opened, encoder = Connection(mock), hpack.Encoder()
    try:
        for index, (more, is_huffman) in enumerate(calls):
            headers = [(name, value, False) for name, value in call("ServerLive")]
            block = encoder.encode([*headers, *more], huffman=is_huffman)
            opened.ask(2 * index + 1, block)
            assert opened.status(2 * index + 1) == "0"
    finally:
        opened.close()


def test_a_block_in_several_padded_frames(connection: Connection) -> None:
    block = hpack.Encoder().encode(call("ServerLive"))
    padded = bytes([3]) + block[:4] + b"\0\0\0"
    connection.send(frame(HEADERS, PADDED, 1, padded) + frame(CONTINUATION, 0, 1, block[4:9]))
    connection.send(frame(CONTINUATION, END_HEADERS, 1, block[9:]))
    connection.send(frame(DATA, END_STREAM | PADDED, 1, b"\2" + b"\0" * 5 + b"\0\0"))
    assert connection.status(1) == "0"


def test_pings_and_settings_are_answered(connection: Connection) -> None:
    assert connection.wait_for(SETTINGS)[0] == 0
    assert connection.wait_for(SETTINGS) == (ACK, 0, b"")
    connection.send(frame(PING, 0, 0, b"12345678"))
    assert connection.wait_for(PING) == (ACK, 0, b"12345678")


def test_no_window_is_overrun(mock: Mock) -> None:
    opened = Connection(mock, setting(4, 1000))
    message = request("ft", 200).SerializeToString()
    opened.ask(1, hpack.Encoder().encode(call("ModelStreamInfer")), message)
    assert _heard(opened) == 1000
    opened.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 234)))
    assert _heard(opened) == 234
    opened.send(frame(SETTINGS, 0, 0, setting(4, 21_000)))
    assert _heard(opened) == 20_000
    # Now the stream may send a million bytes more, and the connection 65,535 in all.
    opened.send(frame(SETTINGS, 0, 0, setting(4, 1_021_000)))
    assert _heard(opened) == 65_535 - 21_234
    opened.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1_000_000)))
    assert 65_535 + _heard(opened) == 200 * len(_message(mock))
    opened.close()


def _heard(opened: Connection) -> int:
    """Bytes of data that come before the answer to a ping, which is sent behind all of them."""
    opened.send(frame(PING, 0, 0, b"sentinel"))
    size, pings = 0, 0
    while pings < 2:
        kind, flags, _, payload = opened.hear()
        size += len(payload) if kind == DATA else 0
        if kind == PING and flags & ACK:
            # What the ping itself let loose comes before the second one.
            pings += 1
            if pings == 1:
                opened.send(frame(PING, 0, 0, b"sentinel"))
    return size


def _message(mock: Mock) -> bytes:
    """A whole message of the answer."""
    opened = Connection(mock)
    message = request("ft-step200", 200).SerializeToString()
    opened.ask(1, hpack.Encoder().encode(call("ModelStreamInfer")), message)
    _, _, payload = opened.wait_for(DATA)
    opened.close()
    # The model's name in it is 8 bytes longer than `ft`.
    return payload[:-8]


@pytest.mark.parametrize(
    "wrong",
    [
        frame(DATA, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS, 2, b"\x82"),
        frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(HEADERS, 0, 1, b"\x82") + frame(PING, 0, 0, b"12345678"),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
        frame(SETTINGS, 0, 0, setting(4, 2**31)),
        frame(PING, 0, 0, b"short"),
        frame(DATA, 0, 1, bytes(16_385)),
    ],
)
def test_a_client_that_breaks_the_rules_is_left(
    mock: Mock, connection: Connection, wrong: bytes
) -> None:
    connection.send(wrong)
    assert connection.wait_for(GOAWAY)
    with pytest.raises((EOFError, ConnectionResetError)):
        connection.wait_for(PING)
    _assert_alive(mock)


def test_another_protocol_is_cut_off(mock: Mock) -> None:
    host, port = mock.grpc.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as other:
        other.sendall(b"GET / HTTP/1.1\r\nHost: somebody who speaks HTTP/1.1\r\n\r\n")
        try:
            while other.recv(4096):
                pass
        except ConnectionResetError:
            pass
    _assert_alive(mock)


frames = st.builds(
    frame,
    st.integers(0, 10),
    st.integers(0, 255),
    st.integers(0, 7),
    st.binary(max_size=60) | st.just(hpack.Encoder().encode(call("ModelStreamInfer"))),
)


@settings(max_examples=100, deadline=None)
@given(nonsense=st.lists(frames, max_size=20))
def test_no_frames_end_the_mock(mock: Mock, nonsense: list[bytes]) -> None:
    opened = Connection(mock)
    try:
        opened.send(b"".join(nonsense))
        opened.send(frame(PING, 0, 0, b"sentinel"))
        opened.wait_for(PING)
    except (EOFError, ConnectionError):
        pass
    finally:
        opened.close()
    _assert_alive(mock)


def _assert_alive(mock: Mock) -> None:
    opened = Connection(mock)
    opened.ask(1, hpack.Encoder().encode(call("ServerLive")))
    assert opened.status(1) == "0"
    opened.close()
