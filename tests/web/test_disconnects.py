"""Noticing clients that have gone, on real sockets."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.web import disconnects
from app.web.disconnects import watch
from tests.live.waiting import wait_until


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closes", "resets"])
def test_a_client_that_leaves_is_noticed(
    connection: tuple[socket.socket, socket.socket],
    key: str,
    leave: Callable[[socket.socket], None],
) -> None:
    client, server = connection
    gone = threading.Event()
    watch({key: server}, gone.set)
    leave(client)
    assert gone.wait(60)


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closes", "resets"])
def test_a_client_that_has_left_before_is_noticed_at_once(
    connection: tuple[socket.socket, socket.socket], leave: Callable[[socket.socket], None]
) -> None:
    client, server = connection
    leave(client)
    # Its FIN or RST is in the server's queue.
    assert select.select([server], [], [], 60)[0]
    calls: list[float] = []
    watch({"gunicorn.socket": server}, lambda: calls.append(time.monotonic()))
    assert len(calls) == 1
    time.sleep(0.5)
    assert len(calls) == 1


def test_a_client_that_waits_is_left_alone(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    client, server = connection
    gone = threading.Event()
    watching = watch({"gunicorn.socket": server}, gone.set)
    client.sendall(b"the next request of a pipeline")
    assert not gone.wait(0.5)
    watching.stop()


def test_nothing_is_called_after_stop(connection: tuple[socket.socket, socket.socket]) -> None:
    client, server = connection
    gone = threading.Event()
    watch({"gunicorn.socket": server}, gone.set).stop()
    client.close()
    assert not gone.wait(0.5)


def test_leaving_is_told_once(connection: tuple[socket.socket, socket.socket]) -> None:
    client, server = connection
    calls: list[float] = []
    watch({"gunicorn.socket": server}, lambda: calls.append(time.monotonic()))
    client.close()
    wait_until(lambda: bool(calls), "noticing")
    time.sleep(0.5)
    assert len(calls) == 1


def test_a_callback_that_fails_does_not_end_the_watching(
    connection: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = connection
    # One of its own, so that a failure here is not every later test's.
    monkeypatch.setattr(disconnects, "_watcher", disconnects._Watcher())

    def fail() -> None:
        raise ValueError("boom")

    gone = threading.Event()
    watch({"waitress.client_disconnected": lambda: True}, fail)
    time.sleep(0.5)
    watch({"gunicorn.socket": server}, gone.set)
    client.close()
    assert gone.wait(60)


def test_waitress_tells_by_itself() -> None:
    gone = threading.Event()
    watch({"waitress.client_disconnected": lambda: True}, gone.set)
    assert gone.wait(60)


def test_a_host_without_a_socket_is_no_failure() -> None:
    gone = threading.Event()
    watching = watch({}, gone.set)
    assert not gone.wait(0.3)
    watching.stop()


def test_a_closed_socket_of_ours_is_gone(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    _, server = connection
    gone = threading.Event()
    watch({"gunicorn.socket": server}, gone.set)
    server.close()
    assert gone.wait(60)


def test_a_connection_that_cannot_be_looked_at_does_not_end_the_watching(
    connection: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client, server = connection
    monkeypatch.setattr(disconnects, "_watcher", disconnects._Watcher())
    looks: list[bool] = []

    def is_gone() -> bool:
        looks.append(True)
        if len(looks) > 1:
            raise ValueError("boom")
        return False

    gone, told = threading.Event(), threading.Event()
    watch({"waitress.client_disconnected": is_gone}, told.set)
    watch({"gunicorn.socket": server}, gone.set)
    wait_until(lambda: len(looks) > 1, "a look that fails")
    time.sleep(0.5)
    client.close()
    assert gone.wait(60)
    # It is not looked at again, and its request goes on.
    assert len(looks) == 2
    assert not told.is_set()
    assert len(caplog.records) == 1


def test_a_connection_that_cannot_be_looked_at_at_first_is_no_failure() -> None:
    def is_gone() -> bool:
        raise ValueError("boom")

    watch({"waitress.client_disconnected": is_gone}, lambda: None).stop()


def test_one_thread_that_cannot_start_ends_the_watching_for_none_but_its_request(
    connection: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client, server = connection
    monkeypatch.setattr(disconnects, "_watcher", disconnects._Watcher())
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        watch({"gunicorn.socket": server}, lambda: None).stop()
    gone = threading.Event()
    watch({"gunicorn.socket": server}, gone.set)
    client.close()
    assert gone.wait(60)
