"""What a worker learns from its master: a new configuration, and that it is to end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from app.lifecycle.service_folder import ServiceFolder

log = logging.getLogger(__name__)

# Seconds between looks at the folder, and at the clock.
INTERVAL = 0.2
# Seconds behind a reload that failed until it is tried again, with all its work.
PAUSE = 5.0
# Of the time to finish: what is left for saying that it is over, in seconds.
LAST_WORDS = 5.0


class Lifecycle:
    """A worker's part in the service of `folder`, made before the worker reads the snapshot.

    `reload` takes over the folder's snapshot. `end_requests` ends those that are open; it is called
    from `graceful_timeout` - 5 seconds after `leave` on (after half of it if that is later), until
    the process ends.
    """

    def __init__(
        self,
        folder: ServiceFolder,
        graceful_timeout: float,
        *,
        reload: Callable[[], None],
        end_requests: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._finish_seconds = max(graceful_timeout - LAST_WORDS, graceful_timeout / 2)
        self._reload = reload
        self._end_requests = end_requests
        self._edition = folder.edition()
        self._left_at: float | None = None

    def watch(self) -> None:
        """Begin to look, in threads that end with the process."""
        for look in (self._look_for_snapshots, self._look_for_the_end):
            threading.Thread(target=look, name=look.__name__, daemon=True).start()

    def note_served(self) -> None:
        """This worker has started. Only what a later check says in the log depends on it."""
        with suppress(OSError):
            self._folder.note_served()

    def leave(self) -> None:
        """This worker is to end. Does nothing but that may be done in a signal's handler."""
        if self._left_at is None:
            self._left_at = time.monotonic()

    @property
    def is_stopping(self) -> bool:
        """Whether the whole service is about to stop."""
        return self._folder.is_stopping

    @property
    def refuses_work(self) -> bool:
        """Whether new work has no worker to go to; one that leaves alone still does its own."""
        return self._left_at is not None and self.is_stopping

    def _look_for_snapshots(self) -> None:
        while True:
            time.sleep(INTERVAL)
            if not _attempt(self._take_over):
                time.sleep(PAUSE)

    def _take_over(self) -> None:
        found = self._folder.edition()
        if found not in (self._edition, None):
            self._reload()
            # Not before: a reload that fails in passing, without a thread, is made again.
            self._edition = found

    def _look_for_the_end(self) -> None:
        while True:
            time.sleep(INTERVAL)
            if (
                self._left_at is not None
                and time.monotonic() - self._left_at > self._finish_seconds
            ):
                _attempt(self._end_requests)


def _attempt(step: Callable[[], None]) -> bool:
    try:
        step()
    except Exception:  # the next one is still to be looked for
        log.exception("a step of the worker's life failed; it is tried again")
        return False
    return True
