"""One socket to a gRPC server: a reader of its own, and writers that send for each other."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections import deque
from contextlib import suppress

from app.triton.grpc_client import frames
from app.triton.grpc_client.call import Call
from app.triton.grpc_client.frames import ProtocolError
from app.triton.grpc_client.http2 import ClientProtocol
from app.triton.grpc_client.status import Status
from app.triton.grpc_client.tls import Layer

log = logging.getLogger(__name__)

RECEIVE_BYTES = 256 * 1024
# A blocking socket takes all that it is given before it says so.
SEND_BYTES = 256 * 1024
# How often deadlines are looked at while there are calls, in seconds.
TICK = 0.05
WRITE_TIMEOUT = 10.0
LAST_WORDS_TIMEOUT = 1.0
PING_TIMEOUT = 5.0
# Whoever was heard of so lately needs no ping.
MIN_SILENCE = 0.5
# gRPC's servers close connections that ping more often than this while they have nothing to say.
MIN_PING_INTERVAL = 300.0
# A busy connection is read at most every so many seconds: more answers each time for less work.
READ_INTERVAL = 0.001


class Connection:
    """Calls on one open socket, from any thread or greenlet, until `is_closed`."""

    def __init__(self, sock: socket.socket, layer: Layer) -> None:
        self._socket = sock
        self._layer = layer
        self._lock = threading.Lock()
        self._protocol = ClientProtocol()
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._is_sending = False
        # Calls whose end is known and still to be told, when no lock is held.
        self._ended: deque[Call] = deque()
        self._greeted = threading.Event()
        self._closing: Status | None = None
        self._received_at = self._read_at = time.monotonic()
        self._sending_since = math.inf
        self._is_watched = False
        self._pinged_at = -MIN_PING_INTERVAL
        self._ping_ends_at = math.inf
        # Reading waits for ever; everything that has a limit is looked after by `_watch`.
        sock.settimeout(None)
        threading.Thread(target=self._read, name="triton-connection", daemon=True).start()

    def wait_until_greeted(self, timeout: float) -> Status | None:
        """Wait for the peer's first words. Returns why there will be none."""
        self._flush()
        if not self._greeted.wait(timeout):
            self._close(Status("UNAVAILABLE", f"no greeting within {timeout:.3g} s"))
        return self._closing

    @property
    def has_room(self) -> bool:
        """Whether it takes another call."""
        return self._closing is None and self._protocol.has_room

    @property
    def is_closed(self) -> bool:
        """Whether it is of no more use."""
        return self._closing is not None

    def start(self, header_block: bytes, body: bytes, expires_at: float) -> Call | None:
        """Begin a call; None if the connection has meanwhile become unfit for one."""
        call = Call(self, expires_at)
        with self._lock:
            if not self.has_room:
                return None
            self._protocol.open(call, header_block, body)
        self._be_watched()
        self._flush()
        return call

    def cancel(self, call: Call) -> None:
        """End a call at once."""
        with self._lock:
            self._protocol.reset(call, frames.CANCEL)
            call.finish(Status("CANCELLED"))
        self._flush()
        self._settle()
        self._close_if_left()

    def ended(self, call: Call) -> None:
        """A call has ended, which is told when no lock is held."""
        self._ended.append(call)

    def credit(self, call: Call) -> None:
        """Tell the peer what was taken of a call."""
        with self._lock:
            self._protocol.credit(call)
        self._flush()

    def suspect(self) -> None:
        """Ask a silent peer for a sign of life; without one, all calls end soon."""
        now = time.monotonic()
        with self._lock:
            if now - self._received_at < MIN_SILENCE or now - self._pinged_at < MIN_PING_INTERVAL:
                return
            self._pinged_at = now
            self._ping_ends_at = now + PING_TIMEOUT
            self._protocol.ping()
        self._be_watched()
        self._flush()

    def close(self) -> None:
        """End all calls and the connection."""
        self._close(Status("UNAVAILABLE", "the connection was closed"))

    def leave(self) -> None:
        """Take no more calls, and end with the last one; without a lock, for finalizers."""
        self._protocol.is_leaving = True
        if not self._protocol.streams:
            self._hang_up()

    def _hang_up(self) -> None:
        # It wakes the reader, which a mere close would leave waiting in another thread.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _close_if_left(self) -> None:
        if self._protocol.is_leaving and not self._protocol.streams:
            self.close()

    def _read(self) -> None:
        try:
            while self._closing is None:
                self._receive()
        except ProtocolError as error:
            self._give_up(error.code, f"not HTTP/2 as it should be: {error}")
        except OSError as error:
            self._close(_lost(error))
        except Exception as error:  # those who wait must learn of whatever stopped this
            log.exception("reading from Triton failed")
            self._close(Status("INTERNAL", repr(error)))

    def _receive(self) -> None:
        length = self._socket.recv_into(self._buffer)
        # Not later: what is asked while this is dealt with has not been answered by it.
        self._received_at = started = time.monotonic()
        is_busy = started - self._read_at < READ_INTERVAL
        self._take_in(length)
        # More is there, and the more comes at once, the less it costs.
        while length == RECEIVE_BYTES and time.monotonic() - started < READ_INTERVAL:
            length = self._socket.recv_into(self._buffer)
            self._take_in(length)
        if is_busy:
            time.sleep(READ_INTERVAL)
        self._read_at = time.monotonic()

    def _take_in(self, length: int) -> None:
        if not length:
            raise ConnectionError("closed by the server")
        with self._lock:
            self._protocol.receive(self._layer.opened(bytes(self._buffer[:length])))
        self._flush()
        self._settle()
        if self._protocol.has_greeted:
            self._greeted.set()
        self._close_if_left()

    def _be_watched(self) -> None:
        with self._lock:
            is_watched, self._is_watched = self._is_watched, True
        if is_watched:
            return
        try:
            threading.Thread(target=self._watch, name="triton-deadlines", daemon=True).start()
        except RuntimeError as error:  # nobody would ever end the calls
            self._close(_lost(error))

    def _watch(self) -> None:
        try:
            time.sleep(TICK)
            while self._look(time.monotonic()):
                time.sleep(TICK)
        except Exception as error:  # nobody else would ever end the calls
            log.exception("looking at the time of calls to Triton failed")
            self._close(Status("INTERNAL", repr(error)))

    def _look(self, now: float) -> bool:
        """End what has taken too long, and a connection that is dead. Returns whether to go on.

        It never sends, for that may wait. The peer knows a call's deadline by itself.
        """
        with self._lock:
            calls = self._calls()
            for call in calls:
                call.look_at_clock(now)
                if call.expires_at < now:
                    self._protocol.reset(call, frames.CANCEL)
                    call.finish(Status("DEADLINE_EXCEEDED", "the call's time is over"))
            if self._received_at > self._pinged_at:
                self._ping_ends_at = math.inf
            is_needed = bool(calls) or self._is_sending or self._ping_ends_at < math.inf
            is_watched = self._is_watched = is_needed and self._closing is None
        self._settle()
        if now > self._ping_ends_at:
            self._close(Status("UNAVAILABLE", f"no sign of life within {PING_TIMEOUT} s"))
        elif now > self._sending_since + WRITE_TIMEOUT:
            self._close(Status("UNAVAILABLE", f"nothing was read for {WRITE_TIMEOUT} s"))
        else:
            self._close_if_left()
        return is_watched

    def _calls(self) -> list[Call]:
        return [stream for stream in self._protocol.streams.values() if isinstance(stream, Call)]

    def _settle(self) -> None:
        while self._ended:
            with suppress(IndexError):
                self._ended.popleft().settle()

    def _flush(self) -> None:
        """Send what is to be sent, unless somebody is at it, who then sends this as well."""
        try:
            while data := self._to_send():
                self._send(memoryview(data))
        except OSError as error:
            self._close(_lost(error))

    def _to_send(self) -> bytes:
        with self._lock:
            if self._is_sending or self._closing is not None:
                return b""
            outgoing = b""
            if self._layer.is_open and self._protocol.outgoing:
                outgoing = bytes(self._protocol.outgoing)
                self._protocol.outgoing.clear()
            data = self._layer.sealed(outgoing)
            self._is_sending = bool(data)
            return data

    def _send(self, data: memoryview) -> None:
        try:
            while data:
                self._sending_since = time.monotonic()
                data = data[self._socket.send(data[:SEND_BYTES]) :]
        except BaseException as error:
            # Whoever sends next would go on in the middle of a frame.
            self._close(_lost(error))
            raise
        finally:
            self._sending_since = math.inf
            self._is_sending = False

    def _give_up(self, code: int, text: str) -> None:
        with self._lock:
            self._protocol.outgoing += frames.goaway_frame(code)
        self._flush()
        # Whoever is sending sends this too, and is given the time for it.
        ends_at = time.monotonic() + LAST_WORDS_TIMEOUT
        while self._has_words_left() and time.monotonic() < ends_at:
            time.sleep(READ_INTERVAL)
        self._close(Status("UNAVAILABLE", text))

    def _has_words_left(self) -> bool:
        is_left = self._is_sending or bool(self._protocol.outgoing)
        return is_left and self._closing is None

    def _close(self, status: Status) -> None:
        with self._lock:
            if self._closing is not None:
                return
            self._closing = status
            calls = self._calls()
            self._protocol.streams.clear()
        for call in calls:
            call.finish(status)
        self._settle()
        self._greeted.set()
        self._hang_up()
        self._socket.close()


def _lost(error: BaseException) -> Status:
    return Status("UNAVAILABLE", f"connection lost: {error}")
