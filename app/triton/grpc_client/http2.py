"""A client's side of HTTP/2, without any input or output: https://www.rfc-editor.org/rfc/rfc9113

What gRPC needs of it: requests with a body, answers in order, flow control both ways, settings,
resets, pings, an orderly end. A server that pushes is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpack import Decoder, HPACKError

from app.triton.grpc_client import frames
from app.triton.grpc_client.frames import FrameSplitter, ProtocolError

# What a stream may send before somebody has taken it: half a second of a fast model's answers.
STREAM_WINDOW = 256 * 1024
# The peer is told in lots of so many bytes.
CREDIT_BYTES = STREAM_WINDOW // 2
# The streams' own windows bound the memory, so this one is given back as bytes arrive.
CONNECTION_WINDOW = 16 * 2**20
MAX_FRAME_SIZE = 64 * 1024
MAX_HEADER_BYTES = 64 * 1024
DEFAULT_WINDOW = 65_535
LAST_STREAM_ID = 2**31 - 1

OUR_SETTINGS = {
    frames.ENABLE_PUSH: 0,
    frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
    frames.MAX_FRAME_SIZE: MAX_FRAME_SIZE,
    frames.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
}

Fields = Sequence[tuple[str, str]]


class Stream:
    """One request and its answer; a subclass says what the answer means."""

    def __init__(self) -> None:
        self.stream_id = 0
        self.unsent = memoryview(b"")
        self.send_window = 0
        # Bytes that the peer may still send, and that were taken without telling it.
        self.receive_window = STREAM_WINDOW
        self.uncredited = 0

    def on_fields(self, fields: Fields, *, is_last: bool) -> None:
        """Header or trailer fields."""
        raise NotImplementedError

    def on_data(self, data: bytes) -> int:
        """A part of the body. Returns how many of its bytes are done with already."""
        raise NotImplementedError

    def on_end(self) -> None:
        """The answer has ended, with the last fields or behind the last data."""
        raise NotImplementedError

    def on_reset(self, code: int) -> None:
        """The peer has given the stream up."""
        raise NotImplementedError

    def on_refused(self) -> None:
        """The peer says that it never looked at the request."""
        raise NotImplementedError


class ClientProtocol:
    """The state of one connection. `outgoing` is to be sent. Not safe between threads.

    It `has_greeted` once the peer's settings have come; one that `is_leaving` takes no more
    streams.
    """

    def __init__(self) -> None:
        room = CONNECTION_WINDOW - DEFAULT_WINDOW
        self.outgoing = bytearray(
            frames.PREFACE + frames.settings_frame(OUR_SETTINGS) + frames.window_frame(0, room)
        )
        self.streams: dict[int, Stream] = {}
        self.has_greeted = False
        self.is_leaving = False
        self.max_streams = LAST_STREAM_ID
        self._splitter = FrameSplitter(MAX_FRAME_SIZE)
        self._decoder = Decoder(MAX_HEADER_BYTES)
        self._next_id = 1
        self._send_window = DEFAULT_WINDOW
        self._initial_send_window = DEFAULT_WINDOW
        self._max_sent_frame = 16_384
        self._uncredited = 0
        # The stream, flags and fragments of a header block that is not complete.
        self._block: tuple[int, int, bytes] | None = None
        self._handlers = {
            frames.DATA: self._on_data,
            frames.HEADERS: self._on_headers,
            frames.RST_STREAM: self._on_reset,
            frames.SETTINGS: self._on_settings,
            frames.PUSH_PROMISE: self._on_push_promise,
            frames.PING: self._on_ping,
            frames.GOAWAY: self._on_goaway,
            frames.WINDOW_UPDATE: self._on_window_update,
            frames.CONTINUATION: self._on_continuation,
        }

    @property
    def has_room(self) -> bool:
        """Whether another stream may be opened."""
        return not self.is_leaving and len(self.streams) < self.max_streams

    def open(self, stream: Stream, header_block: bytes, body: bytes) -> None:
        """Send a request, its body as far as the peer lets us, and the rest when it does."""
        stream.stream_id = self._next_id
        self._next_id += 2
        self.is_leaving = self.is_leaving or self._next_id > LAST_STREAM_ID
        stream.send_window = self._initial_send_window
        stream.unsent = memoryview(body)
        self.streams[stream.stream_id] = stream
        kind, flags = frames.HEADERS, frames.END_HEADERS
        self.outgoing += frames.frame(kind, flags, stream.stream_id, header_block)
        self._send_body(stream)

    def reset(self, stream: Stream, code: int) -> None:
        """Give a stream up; what still comes of it is ignored."""
        if self.streams.pop(stream.stream_id, None) is not None:
            self.outgoing += frames.reset_frame(stream.stream_id, code)

    def credit(self, stream: Stream) -> None:
        """Tell the peer that what has come of a stream was taken."""
        taken, stream.uncredited = stream.uncredited, 0
        if taken and stream.stream_id in self.streams:
            stream.receive_window += taken
            self.outgoing += frames.window_frame(stream.stream_id, taken)

    def ping(self) -> None:
        """Ask whether the peer is there; whatever it sends then says so."""
        self.outgoing += frames.frame(frames.PING, 0, 0, bytes(8))

    def receive(self, data: bytes) -> None:
        """What the peer has sent.

        Raises:
            ProtocolError: it has broken the rules; the connection is of no more use.
        """
        for kind, flags, stream_id, payload in self._splitter.frames(data):
            if self._block is not None and kind != frames.CONTINUATION:
                raise ProtocolError("a header block is not complete")
            if not self.has_greeted and kind != frames.SETTINGS:
                raise ProtocolError("the peer does not begin with its settings")
            handler = self._handlers.get(kind)
            if handler is not None:
                handler(flags, stream_id, payload)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        length = len(payload)
        self._uncredited += length
        if self._uncredited >= CONNECTION_WINDOW // 2:
            self.outgoing += frames.window_frame(0, self._uncredited)
            self._uncredited = 0
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_known(stream_id)
            return
        stream.receive_window -= length
        if stream.receive_window < 0:
            raise ProtocolError("more data than there was room for", frames.FLOW_CONTROL_ERROR)
        data = frames.without_padding(flags, payload) if flags & frames.PADDED else payload
        done = stream.on_data(data) + length - len(data)
        if done:
            stream.uncredited += done
            if stream.uncredited >= CREDIT_BYTES:
                self.credit(stream)
        if flags & frames.END_STREAM:
            self._end(stream)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._check_known(stream_id)
        block = frames.without_padding(flags, payload)
        if flags & frames.HAS_PRIORITY:
            block = block[5:]
        self._block = (stream_id, flags, block)
        self._finish_block(flags)

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is None or self._block[0] != stream_id:
            raise ProtocolError("CONTINUATION of nothing")
        known_id, known_flags, begun = self._block
        if len(begun) + len(payload) > MAX_HEADER_BYTES:
            raise ProtocolError("too many header fields", frames.ENHANCE_YOUR_CALM)
        self._block = (known_id, known_flags, begun + payload)
        self._finish_block(flags)

    def _finish_block(self, flags: int) -> None:
        if not flags & frames.END_HEADERS or self._block is None:
            return
        (stream_id, first_flags, block), self._block = self._block, None
        try:
            # Decoded even where nobody waits: the next block builds on it.
            fields = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise ProtocolError(f"header fields: {error}", frames.COMPRESSION_ERROR) from None
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        is_last = bool(first_flags & frames.END_STREAM)
        # They may be any bytes, and those that are no text must not end every stream.
        pairs = [(str(key, errors="replace"), str(word, errors="replace")) for key, word in fields]
        stream.on_fields(pairs, is_last=is_last)
        if is_last:
            self._end(stream)

    def _on_reset(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._check_known(stream_id)
        code = frames.number(payload)
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            stream.on_reset(code)

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        settings = frames.read_settings(payload)
        # First this: until it comes, the peer holds us to the windows of before.
        self.outgoing += frames.frame(frames.SETTINGS, frames.ACK, 0)
        self._apply(settings)
        self.has_greeted = True

    def _apply(self, settings: Mapping[int, int]) -> None:
        self.max_streams = settings.get(frames.MAX_CONCURRENT_STREAMS, self.max_streams)
        size = settings.get(frames.MAX_FRAME_SIZE, self._max_sent_frame)
        if not 16_384 <= size < 2**24:
            raise ProtocolError(f"a MAX_FRAME_SIZE of {size}")
        self._max_sent_frame = size
        window = settings.get(frames.INITIAL_WINDOW_SIZE, self._initial_send_window)
        if window > frames.MAX_WINDOW:
            raise ProtocolError("an INITIAL_WINDOW_SIZE too large", frames.FLOW_CONTROL_ERROR)
        change, self._initial_send_window = window - self._initial_send_window, window
        for stream in self.streams.values():
            stream.send_window += change
            self._send_body(stream)

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ProtocolError("a push that was not allowed")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise ProtocolError("PING of a wrong size", frames.FRAME_SIZE_ERROR)
        if not flags & frames.ACK:
            self.outgoing += frames.frame(frames.PING, frames.ACK, 0, payload)

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.is_leaving = True
        last = frames.number(payload) & frames.MASK_31
        for refused in [known for known in self.streams if known > last]:
            self.streams.pop(refused).on_refused()

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        more = frames.number(payload) & frames.MASK_31
        if not stream_id:
            self._send_window += more
            self._check_window(self._send_window)
            for stream in list(self.streams.values()):
                self._send_body(stream)
            return
        self._check_known(stream_id)
        if stream_id in self.streams:
            stream = self.streams[stream_id]
            stream.send_window += more
            self._check_window(stream.send_window)
            self._send_body(stream)

    def _send_body(self, stream: Stream) -> None:
        while stream.unsent:
            room = min(self._send_window, stream.send_window, self._max_sent_frame)
            if room <= 0:
                return
            part, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self._send_window -= len(part)
            stream.send_window -= len(part)
            flags = 0 if stream.unsent else frames.END_STREAM
            self.outgoing += frames.frame(frames.DATA, flags, stream.stream_id, part)

    def _end(self, stream: Stream) -> None:
        del self.streams[stream.stream_id]
        if stream.unsent:
            # An answer before the whole request: the rest of it is not wanted.
            self.outgoing += frames.reset_frame(stream.stream_id, frames.NO_ERROR)
        stream.on_end()

    def _check_known(self, stream_id: int) -> None:
        if stream_id % 2 == 0 or stream_id >= self._next_id:
            raise ProtocolError(f"a frame for stream {stream_id}, which nobody opened")

    @staticmethod
    def _check_window(window: int) -> None:
        if window > frames.MAX_WINDOW:
            raise ProtocolError("a window too large", frames.FLOW_CONTROL_ERROR)
