"""Servers that do not do what they should: each call ends, in time and with a reason."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.triton.grpc_client import channel as channel_module
from app.triton.grpc_client import connection, frames
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status
from app.triton.grpc_client.tls import PlainLayer
from tests.live.waiting import LATE, wait_until
from tests.triton.grpc_client.both_ends import HEADERS, answer, data_frame, greeting, headers_frame
from tests.triton.grpc_client.clocks import Clock
from tests.triton.grpc_client.lines import framed_all
from tests.triton.grpc_client.peers import Peer, read_frames, saying, silent
from tests.triton.grpc_client.taking import PATIENCE, end_of, start, to_the_end

GOOD = answer(1, framed_all([b"hello"]))
WIDE = greeting(INITIAL_WINDOW_SIZE=2**31 - 1) + frames.window_frame(0, 2**31 - 1 - 65_535)


def answering(*parts: bytes, seconds: float = 0.0) -> Callable[[socket.socket], None]:
    """Greets, waits for a request and sends the parts; then it keeps silent."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        read_frames(sock, frames.DATA)
        for part in parts:
            sock.sendall(part)
            time.sleep(seconds)
        silent(sock)

    return behave


def closing(*parts: bytes) -> Callable[[socket.socket], None]:
    """The same, and closes the connection."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        read_frames(sock, frames.DATA)
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)

    return behave


def failure_of(peer: Peer, connect_timeout: float = PATIENCE) -> Status:
    channel = Channel(peer.address, is_secure=False)
    try:
        call = channel.start("/a/b", b"", PATIENCE, connect_timeout)
    except CallEnded as ended:
        return ended.status
    return end_of(call)


def test_a_peer_that_says_nothing_has_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise a busy machine may take the time for the connection itself.
    Clock(channel_module, monkeypatch)
    with Peer(silent) as peer:
        begun = time.monotonic()
        status = failure_of(peer, connect_timeout=0.5)
        assert 0.4 < time.monotonic() - begun < 0.5 + LATE
    assert status.code == "UNAVAILABLE"
    assert "no greeting within 0.5 s" in status.text


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", bytes(100), b"\xff" * 100]
)
def test_a_peer_of_another_protocol_is_found_out_at_once(words: bytes) -> None:
    with Peer(saying(words)) as peer:
        begun = time.monotonic()
        status = failure_of(peer)
        assert time.monotonic() - begun < LATE
    assert status.code == "UNAVAILABLE"
    assert "failed to speak HTTP/2 with the server" in status.text


@pytest.mark.parametrize("size", [*range(0, len(GOOD) - 1, 7), len(GOOD) - 1])
def test_a_connection_that_ends_within_an_answer(size: int) -> None:
    with Peer(closing(GOOD[:size])) as peer:
        assert failure_of(peer).code == "UNAVAILABLE"


def test_a_connection_that_ends_behind_an_answer() -> None:
    with Peer(closing(GOOD)) as peer:
        channel = Channel(peer.address, is_secure=False)
        assert channel.ask("/a/b", b"", PATIENCE) == b"hello"
        (first,) = channel._connections
        wait_until(lambda: first.is_closed, "the end of the connection")
        assert channel.ask("/a/b", b"", PATIENCE) == b"hello"
        assert peer.num_accepted == 2


def test_a_connection_that_is_torn_down() -> None:
    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        read_frames(sock, frames.DATA)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    with Peer(behave) as peer:
        assert failure_of(peer).code == "UNAVAILABLE"


def test_an_answer_byte_by_byte() -> None:
    with Peer(answering(*[GOOD[place : place + 1] for place in range(len(GOOD))])) as peer:
        channel = Channel(peer.address, is_secure=False)
        assert to_the_end(start(channel, "/a/b")) == ([b"hello"], Status("OK"))


def test_a_question_that_nobody_answers_has_its_time() -> None:
    with Peer(answering(headers_frame(1, HEADERS))) as peer:
        channel = Channel(peer.address, is_secure=False)
        # The connection is there already, for which a busy machine may need longer.
        first = start(channel, "/a/b")
        begun = time.monotonic()
        with pytest.raises(CallEnded) as caught:
            channel.ask("/a/b", b"", 0.5)
        assert caught.value.status.code == "DEADLINE_EXCEEDED"
        assert 0.4 < time.monotonic() - begun < 0.5 + LATE
        assert first.take(0.0) is None


def test_who_breaks_the_rules_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # Who sends at that moment may be late.
    monkeypatch.setattr(connection, "LAST_WORDS_TIMEOUT", PATIENCE)
    heard = bytearray()

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        read_frames(sock, frames.DATA)
        sock.sendall(data_frame(8, b""))
        while data := sock.recv(65_536):
            heard.extend(data)

    with Peer(behave) as peer:
        status = failure_of(peer)
        assert status.code == "UNAVAILABLE"
        assert "stream 8" in status.text
        last = frames.goaway_frame(frames.PROTOCOL_ERROR)
        wait_until(lambda: heard.endswith(last), "the last words")


def test_who_sends_at_that_moment_tells_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LAST_WORDS_TIMEOUT", PATIENCE)

    class SlowSocket(socket.socket):
        """The first part that is sent takes its time."""

        is_sending = threading.Event()
        may_end = threading.Event()

        def send(self, data: Any, flags: int = 0) -> int:
            self.is_sending.set()
            assert self.may_end.wait(PATIENCE)
            return super().send(data, flags)

    mine, others = socket.socketpair()
    with SlowSocket(fileno=mine.detach()) as sock, others:
        client = connection.Connection(sock, PlainLayer())
        threading.Thread(target=client.wait_until_greeted, args=(PATIENCE,), daemon=True).start()
        assert sock.is_sending.wait(PATIENCE)
        others.sendall(greeting() + data_frame(8, b""))
        time.sleep(0.2)
        sock.may_end.set()
        others.settimeout(PATIENCE)
        heard = b"".join(iter(lambda: others.recv(65_536), b""))
    assert heard.endswith(frames.goaway_frame(frames.PROTOCOL_ERROR))


@pytest.mark.parametrize(
    "words",
    [
        greeting(MAX_CONCURRENT_STREAMS=0),
        greeting() + frames.frame(frames.GOAWAY, 0, 0, bytes(8)),
    ],
    ids=["no streams", "leaving"],
)
def test_a_server_that_takes_no_calls_is_not_asked_again_and_again(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(channel_module, monkeypatch)
    with Peer(saying(words)) as peer:
        channel = Channel(peer.address, is_secure=False)
        for num_accepted, pause in enumerate((0.1, 0.2, 0.4), 1):
            for _ in range(5):
                with pytest.raises(CallEnded) as caught:
                    channel.ask("/a/b", b"", PATIENCE)
                assert caught.value.status.code == "UNAVAILABLE"
            assert peer.num_accepted == num_accepted
            clock.now += pause


def test_a_server_that_is_leaving_ends_its_calls_and_gets_no_more() -> None:
    leaving = frames.frame(frames.GOAWAY, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))
    with Peer(answering(leaving, GOOD, seconds=0.2)) as peer:
        channel = Channel(peer.address, is_secure=False)
        first = start(channel, "/a/b")
        (known,) = channel._connections
        wait_until(lambda: not known.has_room, "the server's word")
        second = start(channel, "/a/b")
        assert to_the_end(first) == to_the_end(second) == ([b"hello"], Status("OK"))
        assert peer.num_accepted == 2


def test_a_peer_that_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT", 0.5)
    may_end = threading.Event()

    def behave(sock: socket.socket) -> None:
        sock.sendall(WIDE)
        may_end.wait(PATIENCE)

    with Peer(behave) as peer:
        channel = Channel(peer.address, is_secure=False)
        other = start(channel, "/a/b")
        told = threading.Event()
        other.when_ended(told.set)
        begun = time.monotonic()
        status = end_of(start(channel, "/a/b", bytes(20 * 2**20)))
        assert 0.4 < time.monotonic() - begun < 0.5 + LATE
        assert status.code == end_of(other).code == "UNAVAILABLE"
        assert "nothing was read" in status.text
        assert told.wait(PATIENCE)
        may_end.set()


def test_a_peer_that_reads_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(connection, monkeypatch)
    # More than the system takes for a peer that does not read.
    part = 10 * 2**20
    size = 4 * part

    def behave(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
        sock.sendall(WIDE)
        wait_until(lambda: bool(known) and known[0]._is_sending, "the sending")
        num_read = 0
        for number in range(1, 4):
            # Each part has more than half of the limit, and all of them more than the whole.
            clock.now += connection.WRITE_TIMEOUT * 0.6
            known[0]._look(clock.now)
            while num_read < number * part:
                num_read += len(sock.recv(2**18))
        while num_read < size:
            num_read += len(sock.recv(2**18))
        sock.sendall(GOOD)
        silent(sock)

    with Peer(behave) as peer:
        channel = Channel(peer.address, is_secure=False)
        known = channel._connections
        call = start(channel, "/a/b", bytes(size), timeout=1000)
        assert to_the_end(call)[1] == Status("OK")


@pytest.mark.parametrize(("code", "name"), [(7, "UNAVAILABLE"), (11, "RESOURCE_EXHAUSTED")])
def test_a_reset_call_leaves_the_connection_to_others(code: int, name: str) -> None:
    has_begun = threading.Event()

    def behave(sock: socket.socket) -> None:
        sock.sendall(greeting())
        read_frames(sock, frames.DATA)
        sock.sendall(frames.reset_frame(1, code))
        has_begun.wait(PATIENCE)
        sock.sendall(answer(3, framed_all([b"third"])))
        silent(sock)

    with Peer(behave) as peer:
        channel = Channel(peer.address, is_secure=False)
        first = start(channel, "/a/b")
        assert end_of(first).code == name
        second = start(channel, "/a/b")
        has_begun.set()
        assert to_the_end(second) == ([b"third"], Status("OK"))
        assert peer.num_accepted == 1
