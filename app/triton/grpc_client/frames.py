"""HTTP/2 frames: https://www.rfc-editor.org/rfc/rfc9113#section-6"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA = 0x0
HEADERS = 0x1
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
FLOW_CONTROL_ERROR = 0x3
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB
INADEQUATE_SECURITY = 0xC

MAX_WINDOW = 2**31 - 1
MASK_31 = 2**31 - 1

# The length's upper sixteen bits and lower eight, type, flags, stream.
_HEADER = struct.Struct(">HBBBL")
_SETTING = struct.Struct(">HL")
_NUMBER = struct.Struct(">L")

Frame = tuple[int, int, int, bytes]


class ProtocolError(Exception):
    """The peer broke the rules of HTTP/2; `code` is what it is told."""

    def __init__(self, text: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame."""
    length = len(payload)
    return b"".join((_HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream_id), payload))


def settings_frame(values: Mapping[int, int]) -> bytes:
    """Our settings."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*item) for item in values.items()))


def reset_frame(stream_id: int, code: int) -> bytes:
    """The end of a stream."""
    return frame(RST_STREAM, 0, stream_id, _NUMBER.pack(code))


def window_frame(stream_id: int, num_bytes: int) -> bytes:
    """Room for more bytes on a stream, or on the connection as stream 0."""
    return frame(WINDOW_UPDATE, 0, stream_id, _NUMBER.pack(num_bytes))


def goaway_frame(code: int) -> bytes:
    """The end of the connection; a server has opened no stream."""
    return frame(GOAWAY, 0, 0, _NUMBER.pack(0) + _NUMBER.pack(code))


def number(payload: bytes, start: int = 0) -> int:
    """The 32-bit number there. Raises ProtocolError where the payload has none."""
    if len(payload) < start + 4:
        raise ProtocolError("a frame is too short", FRAME_SIZE_ERROR)
    return int(_NUMBER.unpack_from(payload, start)[0])


def read_settings(payload: bytes) -> dict[int, int]:
    """The peer's settings. Raises ProtocolError for a cut off one."""
    if len(payload) % _SETTING.size:
        raise ProtocolError("SETTINGS of a wrong size", FRAME_SIZE_ERROR)
    return dict(_SETTING.iter_unpack(payload))


def without_padding(flags: int, payload: bytes) -> bytes:
    """A payload of DATA or HEADERS. Raises ProtocolError for more padding than there is."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload or payload[0] >= end:
            raise ProtocolError("padding longer than its frame")
        start, end = 1, end - payload[0]
    return payload[start:end]


class FrameSplitter:
    """Bytes in, whole frames out; it keeps less than one frame of `max_frame_size` bytes."""

    def __init__(self, max_frame_size: int) -> None:
        self._max_frame_size = max_frame_size
        self._rest = b""

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes as (type, flags, stream, payload); read them all.

        Raises:
            ProtocolError: a frame is larger than allowed.
        """
        buffer = self._rest + data if self._rest else data
        start, end = 0, len(buffer)
        while end - start >= _HEADER.size:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(buffer, start)
            length = high << 8 | low
            if length > self._max_frame_size:
                raise ProtocolError(f"a frame of {length} bytes", FRAME_SIZE_ERROR)
            stop = start + _HEADER.size + length
            if stop > end:
                break
            yield kind, flags, stream_id & MASK_31, buffer[start + _HEADER.size : stop]
            start = stop
        self._rest = buffer[start:]
