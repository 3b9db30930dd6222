"""Servers that do not do what they should: each call ends, in time and with a reason."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.triton.grpc_client import connection, frames
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_client.status import Status
from app.triton.grpc_client.tls import PlainLayer
from tests.live.waiting import wait_until
from tests.triton.grpc_client.both_ends import HEADERS, answer, data_frame, greeting, headers_frame
from tests.triton.grpc_client.lines import framed_all
from tests.triton.grpc_client.peers import Peer, read_frames
from tests.triton.grpc_client.taking import end_of, start, to_the_end

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
        while sock.recv(65_536):
            pass

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


def failure_of(peer: Peer, timeout: float = 20.0, connect_timeout: float = 20.0) -> Status:
    channel = Channel(peer.address, is_secure=False)
    try:
        call = channel.start("/a/b", b"", timeout, connect_timeout)
    except CallEnded as ended:
        return ended.status
    return end_of(call)


def test_a_peer_that_says_nothing_has_the_time_to_connect() -> None:
    with Peer(lambda sock: sock.recv(1) and time.sleep(20)) as peer:
        begun = time.monotonic()
        status = failure_of(peer, connect_timeout=0.5)
        assert 0.4 < time.monotonic() - begun < 1.5
    assert status.code == "UNAVAILABLE"
    assert "no greeting within 0." in status.text


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", bytes(100), b"\xff" * 100]
)
def test_a_peer_of_another_protocol_is_found_out_at_once(words: bytes) -> None:
    def behave(sock: socket.socket) -> None:
        sock.sendall(words)
        time.sleep(20)

    with Peer(behave) as peer:
        begun = time.monotonic()
        status = failure_of(peer)
        assert time.monotonic() - begun < 3
    assert status.code == "UNAVAILABLE"
    assert "failed to speak HTTP/2 with the server" in status.text


@pytest.mark.parametrize("size", [*range(0, len(GOOD) - 1, 7), len(GOOD) - 1])
def test_a_connection_that_ends_within_an_answer(size: int) -> None:
    with Peer(closing(GOOD[:size])) as peer:
        assert failure_of(peer).code == "UNAVAILABLE"


def test_a_connection_that_ends_behind_an_answer() -> None:
    with Peer(closing(GOOD)) as peer:
        channel = Channel(peer.address, is_secure=False)
        assert channel.ask("/a/b", b"", 20) == b"hello"
        time.sleep(0.1)
        assert channel.ask("/a/b", b"", 20) == b"hello"
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
        begun = time.monotonic()
        with pytest.raises(CallEnded) as caught:
            channel.ask("/a/b", b"", 0.5)
        assert caught.value.status.code == "DEADLINE_EXCEEDED"
        assert 0.4 < time.monotonic() - begun < 1.5


def test_who_breaks_the_rules_is_told_so() -> None:
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


def test_who_sends_at_that_moment_tells_it_too() -> None:
    class SlowSocket(socket.socket):
        """The first part that is sent takes its time."""

        is_sending = threading.Event()
        may_end = threading.Event()

        def send(self, data: Any, flags: int = 0) -> int:
            self.is_sending.set()
            assert self.may_end.wait(30)
            return super().send(data, flags)

    mine, others = socket.socketpair()
    with SlowSocket(fileno=mine.detach()) as sock, others:
        client = connection.Connection(sock, PlainLayer())
        threading.Thread(target=client.wait_until_greeted, args=(30,), daemon=True).start()
        assert sock.is_sending.wait(30)
        others.sendall(greeting() + data_frame(8, b""))
        time.sleep(0.2)
        sock.may_end.set()
        others.settimeout(30)
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
def test_a_server_that_takes_no_calls_is_not_asked_again_and_again(words: bytes) -> None:
    def behave(sock: socket.socket) -> None:
        sock.sendall(words)
        time.sleep(20)

    with Peer(behave) as peer:
        channel = Channel(peer.address, is_secure=False)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            with pytest.raises(CallEnded) as caught:
                channel.ask("/a/b", b"", 1)
            assert caught.value.status.code == "UNAVAILABLE"
        assert peer.num_accepted <= 4


def test_a_server_that_is_leaving_ends_its_calls_and_gets_no_more() -> None:
    leaving = frames.frame(frames.GOAWAY, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))
    with Peer(answering(leaving, GOOD, seconds=0.5)) as peer:
        channel = Channel(peer.address, is_secure=False)
        first = start(channel, "/a/b")
        time.sleep(0.3)
        second = start(channel, "/a/b")
        assert to_the_end(first) == to_the_end(second) == ([b"hello"], Status("OK"))
        assert peer.num_accepted == 2


def test_a_peer_that_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT", 1.0)

    def behave(sock: socket.socket) -> None:
        sock.sendall(WIDE)
        time.sleep(20)

    with Peer(behave) as peer:
        channel = Channel(peer.address, is_secure=False)
        other = start(channel, "/a/b")
        told = threading.Event()
        other.when_ended(told.set)
        begun = time.monotonic()
        status = end_of(start(channel, "/a/b", bytes(50 * 2**20)))
        assert 0.9 < time.monotonic() - begun < 4
        assert status.code == end_of(other).code == "UNAVAILABLE"
        assert "nothing was read" in status.text
        assert told.wait(1)


def test_a_peer_that_reads_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT", 0.5)

    def behave(sock: socket.socket) -> None:
        sock.sendall(WIDE)
        num_read = 0
        while num_read < 20 * 2**20:
            num_read += len(sock.recv(2**20))
            # Longer than the limit altogether.
            time.sleep(0.05)
        sock.sendall(GOOD)
        while sock.recv(2**20):
            pass

    with Peer(behave) as peer:
        channel = Channel(peer.address, is_secure=False)
        begun = time.monotonic()
        call = start(channel, "/a/b", bytes(40 * 2**20))
        assert to_the_end(call)[1] == Status("OK")
        assert time.monotonic() - begun > 0.5


@pytest.mark.parametrize(("code", "name"), [(7, "UNAVAILABLE"), (11, "RESOURCE_EXHAUSTED")])
def test_a_reset_call_leaves_the_connection_to_others(code: int, name: str) -> None:
    reset = frames.reset_frame(1, code)
    with Peer(answering(reset, answer(3, framed_all([b"third"])), seconds=0.5)) as peer:
        channel = Channel(peer.address, is_secure=False)
        first = start(channel, "/a/b")
        assert end_of(first).code == name
        second = start(channel, "/a/b")
        assert to_the_end(second) == ([b"third"], Status("OK"))
        assert peer.num_accepted == 1
