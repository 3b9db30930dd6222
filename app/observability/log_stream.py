"""Lines to standard error, for whose reader nobody waits.

A full pipe stops whoever writes into it, which would be the event loop with all its streams.
"""

from __future__ import annotations

import _socket
import logging
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from app import native_threads

# What is kept in a process while nobody reads, in bytes; more lines than that are dropped.
MAX_KEPT = 2**20
# Seconds between attempts to write what is kept, and for the last ones at the end.
INTERVAL = 0.1
LAST_SECONDS = 1.0
# Lines of native threads that wait for the event loop to write them.
MAX_HANDED = 1000
STANDARD_ERROR = 2
DROPPED = "%d lines of the log were dropped, because nobody read them"
NOT_HANDED = "%d lines of threads were dropped, because too many waited to be written"

Write = Callable[[bytes], int]


class StreamHandler(logging.Handler):
    """Writes to a descriptor what its reader takes at once, keeps a part of the rest, tries again.

    Lines of over 4 KiB may be mixed with other processes' lines in a pipe, as they always may.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._write = unhurried(descriptor)
        self._handed: deque[logging.LogRecord] = deque()
        self._num_not_handed = 0
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the event's line; that of a native thread goes before the event loop's next one.

        The lock is gevent's, and may never be given to a thread beside the event loop.
        """
        if native_threads.is_this_one():
            self._hand_over(record)
            return True
        self._write_handed()
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write or keep the event's line. The base class holds the lock meanwhile."""
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        except Exception:  # logging's own rule: a broken call must not stop its caller
            self.handleError(record)
            return
        self._put(line)

    def flush(self) -> None:
        """Try for a last second to write what is kept, and what native threads handed over."""
        self._write_handed()
        deadline = time.monotonic() + LAST_SECONDS
        while self._kept and time.monotonic() < deadline:
            self._catch_up()
            if self._kept:
                time.sleep(INTERVAL / 10)

    def _forget(self) -> None:
        """What a process has kept is written by that process, not by its children."""
        self._kept: deque[bytes] = deque()
        self._num_kept = self._num_dropped = 0
        self._is_trying = False

    def _hand_over(self, record: logging.LogRecord) -> None:
        # A broken call is told of where its line is written.
        with suppress(Exception):
            record.msg, record.args = record.getMessage(), None
        if len(self._handed) < MAX_HANDED:
            self._handed.append(record)
        else:
            self._num_not_handed += 1

    def _write_handed(self) -> None:
        while self._handed:
            super().handle(self._handed.popleft())
        if self._num_not_handed:
            lost, self._num_not_handed = self._num_not_handed, 0
            super().handle(_told(NOT_HANDED, lost))

    def _put(self, line: bytes) -> None:
        if self._kept:
            self._catch_up()
        if not self._kept:
            line = line[self._written(line) :]
        if not line:
            return
        # The rest of a line that was begun must follow, however long it is.
        if self._kept and self._num_kept + len(line) > MAX_KEPT:
            self._num_dropped += 1
            return
        self._kept.append(line)
        self._num_kept += len(line)
        self._try_again_soon()

    def _catch_up(self) -> None:
        while self._kept:
            line = self._kept[0]
            written = self._written(line)
            self._num_kept -= written
            if written < len(line):
                self._kept[0] = line[written:]
                return
            self._kept.popleft()
        if self._num_dropped:
            lost, self._num_dropped = self._num_dropped, 0
            self.emit(_told(DROPPED, lost))

    def _written(self, line: bytes) -> int:
        try:
            return self._write(line)
        except BlockingIOError:
            return 0
        except OSError:
            # Nobody will ever read it.
            return len(line)

    def _try_again_soon(self) -> None:
        if not self._is_trying:
            # Without a thread, which there may be none of, the next line tries. gevent's own loop
            # may not wait for one to start, and says so.
            with suppress(Exception):
                threading.Thread(target=self._try_again, name="log", daemon=True).start()
                self._is_trying = True

    def _try_again(self) -> None:
        while True:
            time.sleep(INTERVAL)
            self.acquire()
            try:
                self._catch_up()
                if not self._kept:
                    self._is_trying = False
                    return
            finally:
                self.release()


def _told(form: str, num_lost: int) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, "", 0, form, (num_lost,), None)


def standard_error() -> logging.Handler:
    """What writes to this process's standard error: one handler, whoever asks.

    Two would each keep the rest of a line, and write into that of the other. Where a host has put
    an object of its own in its place, that is written to as it is.
    """
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        return _only_handler()
    return logging.StreamHandler(sys.stderr)


@cache
def _only_handler() -> StreamHandler:
    return StreamHandler(STANDARD_ERROR)


def unhurried(descriptor: int) -> Write:
    """`os.write` to this descriptor that raises BlockingIOError where it would have to wait.

    The descriptor itself stays as it is, because other processes share it. A file is written to as
    ever; so is what cannot be opened once more, as in a container whose user does not own it.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        # Not the module `socket`, whose sockets are gevent's.
        line = _socket.socket(fileno=os.dup(descriptor))
        return lambda data: line.send(data, _socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(mode) or os.isatty(descriptor):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        try:
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            own = descriptor
        return lambda data: os.write(own, data)
    return lambda data: os.write(descriptor, data)
