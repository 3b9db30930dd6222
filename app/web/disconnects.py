"""Noticing that a client has gone while nothing is written to it.

A closed connection shows by itself only on a write, which a whole answer or a slow first token
makes late. So one thread (a greenlet on an event loop) looks at the open requests' sockets.
"""

from __future__ import annotations

import logging
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

INTERVAL = 0.2

# linux/include/net/tcp_states.h; a half-closed connection counts as gone.
ALIVE_STATES = {1}  # TCP_ESTABLISHED
LINUX_TCP_INFO = 11


class Watch:
    """One request's connection, until `stop`."""

    def __init__(self, is_gone: Callable[[], bool], on_gone: Callable[[], None]) -> None:
        self.is_gone = is_gone
        self.on_gone = on_gone

    def stop(self) -> None:
        """Look at it no more."""
        _watcher.remove(self)


class _Watcher:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._is_running = False

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._watches.add(watch)
            if not self._is_running:
                self._is_running = self._begin()

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._watches.discard(watch)

    def _begin(self) -> bool:
        """Whether it runs; where no thread can be had, only writes tell until the next request."""
        try:
            threading.Thread(target=self._run, name="disconnects", daemon=True).start()
        except RuntimeError as error:
            log.warning("requests' clients are not watched for now: %s", error)
            return False
        return True

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            with self._lock:
                watches = list(self._watches)
                if not watches:
                    self._is_running = False
                    return
            for watch in watches:
                if _is_over(watch):
                    watch.stop()


def _is_over(watch: Watch) -> bool:
    """Whether there is nothing more to look for; calls the request off if its client has gone."""
    try:
        if not watch.is_gone():
            return False
        watch.on_gone()
    except Exception:  # the other requests are still to be watched
        log.exception("looking for a request's client failed; only writes tell from here on")
    return True


_watcher = _Watcher()


def watch(environ: Mapping[str, Any], on_gone: Callable[[], None]) -> Watch:
    """Call `on_gone` once if this WSGI request's client goes away before `stop`.

    If it has gone already, as many have where connections have to wait, `on_gone` is called here.
    Works on Linux under gunicorn, Werkzeug's server and waitress; elsewhere only writes tell.
    """
    watch = Watch(_probe(environ), on_gone)
    if not _is_over(watch):
        _watcher.add(watch)
    return watch


def _probe(environ: Mapping[str, Any]) -> Callable[[], bool]:
    if "waitress.client_disconnected" in environ:
        probe: Callable[[], bool] = environ["waitress.client_disconnected"]
        return probe
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None or sys.platform != "linux":
        return lambda: False
    return lambda: _is_closed(connection)


def _is_closed(connection: socket.socket) -> bool:
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, LINUX_TCP_INFO, 1)
    except OSError:
        # A closed descriptor, or a Unix socket, of which only the first is gone.
        return connection.fileno() < 0
    state: int = struct.unpack("B", info)[0]
    return state not in ALIVE_STATES
