"""A reader of standard error that stalls: nobody waits for it, and little is kept for it."""

from __future__ import annotations

import logging
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import native_threads
from app.observability import log_stream
from app.observability.log_stream import StreamHandler

# More than any pipe, socket or terminal takes by itself.
MANY = 20_000
LINE = "x" * 100
SECONDS = 60.0

Ends = tuple[int, int]


def make_pipe() -> Ends:
    return os.pipe()


def make_socket() -> Ends:
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


def make_terminal() -> Ends:
    return pty.openpty()


@pytest.fixture(params=[make_pipe, make_socket, make_terminal], ids=lambda make: make.__name__)
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """What reads, and what is written to."""
    reader, writer = request.param()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def handler(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> StreamHandler:
    # In tests that look at what is kept nobody else tries.
    monkeypatch.setattr(log_stream, "INTERVAL", 0.01)
    return StreamHandler(ends[1])


def tell(handler: StreamHandler, message: str) -> None:
    handler.handle(logging.LogRecord("app", logging.INFO, "", 0, message, (), None))


def lines_until(reader: int, last: str, limit: float = SECONDS) -> list[str]:
    """All lines up to this one. Fails if it does not come."""
    got, until = b"", time.monotonic() + limit
    os.set_blocking(reader, False)
    while not got.replace(b"\r", b"").endswith(f"{last}\n".encode()):
        assert time.monotonic() < until, got[-300:]
        try:
            got += os.read(reader, 65536)
        except BlockingIOError:
            time.sleep(0.001)
    return got.decode().replace("\r", "").splitlines()


def test_a_reader_that_reads_gets_every_line(ends: Ends, handler: StreamHandler) -> None:
    tell(handler, "one")
    tell(handler, "two")
    assert lines_until(ends[0], "two") == ["one", "two"]


def test_nobody_waits_for_a_reader_that_stalls(ends: Ends, handler: StreamHandler) -> None:
    for number in range(MANY):
        tell(handler, f"{number} {LINE}")
    # What is kept comes when there is a reader again, without another line that makes it.
    lines = lines_until(ends[0], "because nobody read them")
    whole = [line for line in lines if line.endswith(LINE)]
    assert whole == [f"{number} {LINE}" for number in range(len(whole))]
    assert lines[len(whole) :] == [log_stream.DROPPED % (MANY - len(whole))]
    tell(handler, "after")
    assert lines_until(ends[0], "after") == ["after"]


def test_what_is_kept_is_bounded(ends: Ends, handler: StreamHandler) -> None:
    for _ in range(MANY):
        tell(handler, LINE)
    kept = sum(map(len, handler._kept))
    assert log_stream.MAX_KEPT - 2 * len(LINE) < kept <= log_stream.MAX_KEPT
    assert handler._num_kept == kept


def test_the_descriptor_stays_as_it_is(ends: Ends, handler: StreamHandler) -> None:
    """Others write to the same one, and would not expect it not to block."""
    tell(handler, "one")
    assert os.get_blocking(ends[1])


def test_the_last_lines_are_tried_for_a_moment(
    ends: Ends, handler: StreamHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "LAST_SECONDS", 0.2)
    for _ in range(MANY):
        tell(handler, LINE)
    begun = time.monotonic()
    handler.flush()
    assert log_stream.LAST_SECONDS <= time.monotonic() - begun < log_stream.LAST_SECONDS + SECONDS
    assert handler._kept


def test_a_child_does_not_repeat_what_its_parent_keeps(ends: Ends, handler: StreamHandler) -> None:
    for _ in range(MANY):
        tell(handler, LINE)
    child = os.fork()
    if child == 0:
        os._exit(0 if not handler._kept and handler._num_kept == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert handler._kept


def test_nobody_at_all_reads() -> None:
    reader, writer = os.pipe()
    with ExitStack() as closing:
        closing.callback(os.close, writer)
        handler = StreamHandler(writer)
        os.close(reader)
        tell(handler, "one")
        assert not handler._kept


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        handler = StreamHandler(file.fileno())
        for number in range(3):
            tell(handler, f"{number} é")
    assert path.read_text() == "0 é\n1 é\n2 é\n"


def test_what_cannot_be_opened_again_is_written_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError

    reader, writer = os.pipe()
    monkeypatch.setattr(log_stream.os, "open", refused)
    tell(StreamHandler(writer), "one")
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)
    os.close(writer)


def test_a_call_that_cannot_be_written_stops_nobody(
    ends: Ends, handler: StreamHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[logging.LogRecord] = []
    monkeypatch.setattr(handler, "handleError", seen.append)
    handler.handle(logging.LogRecord("app", logging.INFO, "", 0, "%d", ("x",), None))
    tell(handler, "after")
    assert len(seen) == 1
    assert lines_until(ends[0], "after") == ["after"]


def test_a_host_that_has_replaced_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Replaced:
        write: Callable[[str], None] = staticmethod(written.append)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(log_stream.sys, "stderr", Replaced())
    found = log_stream.standard_error()
    found.handle(logging.LogRecord("app", logging.INFO, "", 0, "one", (), None))
    assert "".join(written) == "one\n"


BESIDE_THE_LOOP = """
from gevent import monkey
monkey.patch_all()
import logging, warnings
from app import offload
from app.observability.log_stream import StreamHandler
handler = StreamHandler(2)
logging.getLogger().addHandler(handler)
logging.captureWarnings(True)
handler.acquire()
offload.run(warnings.warn, "of a thread")
handler.release()
logging.warning("of the loop")
"""


def test_a_native_thread_does_not_wait_for_the_lock_of_the_event_loop() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BESIDE_THE_LOOP], capture_output=True, text=True, timeout=120
    )
    first, *_, last = done.stderr.splitlines()
    assert "of a thread" in first
    assert last == "of the loop"


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, StreamHandler]]:
    """What reads, and the handler that writes to it, whose other threads are native ones."""
    reader, writer = os.pipe()
    monkeypatch.setattr(native_threads, "is_this_one", lambda: not is_main_thread())
    yield reader, StreamHandler(writer)
    os.close(reader)
    os.close(writer)


def is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def tell_beside(handler: StreamHandler, *messages: str) -> None:
    thread = threading.Thread(target=lambda: [tell(handler, each) for each in messages])
    thread.start()
    thread.join()


def test_the_last_lines_of_a_native_thread_are_written_at_the_end(
    piped: tuple[int, StreamHandler],
) -> None:
    reader, handler = piped
    tell_beside(handler, "one", "two")
    handler.flush()
    assert lines_until(reader, "two") == ["one", "two"]


def test_native_threads_hand_over_so_much_and_the_rest_is_counted(
    piped: tuple[int, StreamHandler],
) -> None:
    reader, handler = piped
    handed = [str(number) for number in range(log_stream.MAX_HANDED)]
    tell_beside(handler, *handed, "more", "and more")
    tell(handler, "of the loop")
    tell(handler, "after")
    assert lines_until(reader, "after") == [
        *handed,
        log_stream.NOT_HANDED % 2,
        "of the loop",
        "after",
    ]


def test_a_call_of_a_native_thread_that_cannot_be_written_stops_nobody(
    piped: tuple[int, StreamHandler], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, handler = piped
    seen: list[logging.LogRecord] = []
    stopped: list[Exception] = []
    monkeypatch.setattr(handler, "handleError", seen.append)

    def call() -> None:
        try:
            handler.handle(logging.LogRecord("app", logging.INFO, "", 0, "%d", ("x",), None))
        except TypeError as error:
            stopped.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    tell(handler, "after")
    assert not stopped
    assert len(seen) == 1
    assert lines_until(reader, "after") == ["after"]


def test_all_lines_of_a_process_go_through_one_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two would each keep a rest of their own, and write into that of the other."""
    monkeypatch.setattr(log_stream.sys, "stderr", log_stream.sys.__stderr__)
    assert log_stream.standard_error() is log_stream.standard_error()
