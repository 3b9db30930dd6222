"""A client's protocol with what it is told and says, for tests without a socket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from hpack import Encoder
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.frames import Frame, FrameSplitter
from app.triton.grpc_client.http2 import ClientProtocol, Fields, Stream
from app.triton.grpc_client.request import header_block

REQUEST = header_block("server:1", "http", "/service/method", 5.0)
HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0"), ("grpc-message", "")]

# Where a stream of bytes is cut, modulo its length.
CUTS = st.lists(st.integers(0, 2**20), max_size=12)


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data` in parts, some of which may be empty."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


class RecordedStream(Stream):
    """A stream that notes what happens to it, and has done at once with all that comes."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[Any, ...]] = []

    @property
    def body(self) -> bytes:
        """What came, without where it was cut."""
        return b"".join(event[1] for event in self.events if event[0] == "data")

    def on_fields(self, fields: Fields, *, is_last: bool) -> None:
        """Noted."""
        self.events.append(("fields", list(fields), is_last))

    def on_data(self, data: bytes) -> int:
        """Noted."""
        self.events.append(("data", data))
        return len(data)

    def on_end(self) -> None:
        """Noted."""
        self.events.append(("end",))

    def on_reset(self, code: int) -> None:
        """Noted."""
        self.events.append(("reset", code))

    def on_refused(self) -> None:
        """Noted."""
        self.events.append(("refused",))


def greeting(**settings: int) -> bytes:
    """A server's first words; the settings by their names in `frames`."""
    return frames.settings_frame({getattr(frames, name): settings[name] for name in settings})


def opened(num_streams: int = 1, **settings: int) -> tuple[ClientProtocol, list[RecordedStream]]:
    """A client that a server has greeted, with requests of five bytes, and nothing left to send."""
    protocol = ClientProtocol()
    protocol.receive(greeting(**settings))
    streams = [RecordedStream() for _ in range(num_streams)]
    for stream in streams:
        protocol.open(stream, REQUEST, bytes(5))
    protocol.outgoing.clear()
    return protocol, streams


def said(protocol: ClientProtocol) -> list[Frame]:
    """The frames that the client has to send, which are sent by that."""
    data = bytes(protocol.outgoing).removeprefix(frames.PREFACE)
    protocol.outgoing.clear()
    return list(FrameSplitter(2**24).frames(data))


def headers_frame(
    stream_id: int,
    fields: Sequence[tuple[str, str]],
    flags: int = frames.END_HEADERS,
    encoder: Encoder | None = None,
) -> bytes:
    """HEADERS, by default of an encoder that shares no table."""
    block = (encoder or Encoder()).encode([(*field, encoder is None) for field in fields])
    return frames.frame(frames.HEADERS, flags, stream_id, block)


def data_frame(stream_id: int, data: bytes, flags: int = 0) -> bytes:
    """DATA."""
    return frames.frame(frames.DATA, flags, stream_id, data)


def answer(stream_id: int, body: bytes) -> bytes:
    """A whole answer."""
    last = frames.END_HEADERS | frames.END_STREAM
    return (
        headers_frame(stream_id, HEADERS)
        + data_frame(stream_id, body)
        + headers_frame(stream_id, TRAILERS, last)
    )
