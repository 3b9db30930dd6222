"""A file of keys that is read again when it has changed."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from app import offload
from app.access.kept_keys import keep, kept
from app.access.keys import ApiKey, Limits, parse_keys
from app.errors import ConfigurationError, Problem
from app.lifecycle.service_folder import ServiceFolder

log = logging.getLogger(__name__)

# Seconds between two looks at the file.
INTERVAL = 1.0
MAX_BYTES = 2**20
# Of a broken file, in the log.
MAX_PROBLEMS = 5
# Writing a thousand takes some 8 ms.
MAX_KEYS_ON_LOOP = 1000

Signature = tuple[int, ...]


class KeyFile:
    """The keys of a file as it was when it was last right, which the `folder` keeps.

    Raises:
        ConfigurationError: the file is broken now, at the start, and no keys were kept.
    """

    def __init__(self, path: Path, defaults: Limits, folder: ServiceFolder | None = None) -> None:
        self._path = path
        self._defaults = defaults
        self._folder = folder
        self._lock = threading.Lock()
        self._looked_at = time.monotonic()
        self._signature = _signature(path)
        self._keys = self._first()

    def keys(self) -> tuple[ApiKey, ...]:
        """What a request is compared with; at most once a second after a look at the file."""
        if time.monotonic() - self._looked_at >= INTERVAL and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._keys

    def _first(self) -> tuple[ApiKey, ...]:
        try:
            keys = _read(self._path, self._defaults)
        except ConfigurationError as error:
            found = None if self._folder is None else kept(self._folder)
            if found is None:
                raise
            told = _told(error)
            log.error("API_KEYS_FILE is not used, the keys are the %d before: %s", len(found), told)
            return found
        self._keep(keys)
        return keys

    def _keep(self, keys: tuple[ApiKey, ...]) -> None:
        if self._folder is None:
            return
        try:
            offload.run_if(len(keys) > MAX_KEYS_ON_LOOP, keep, self._folder, keys)
        except OSError as error:
            told = "the keys cannot be kept for workers that start while API_KEYS_FILE is broken"
            log.warning("%s: %s", told, error.strerror)

    def _look(self) -> None:
        # The signature first: what is written from here on is another change.
        signature = _signature(self._path)
        try:
            if signature != self._signature:
                self._read_again()
                # Not before: a reading that fails in passing, without a thread, is made again.
                self._signature = signature
        finally:
            self._looked_at = time.monotonic()

    def _read_again(self) -> None:
        try:
            self._keys = offload.run(_read, self._path, self._defaults)
        except ConfigurationError as error:
            told = _told(error)
            log.error("the new API_KEYS_FILE is not used, the keys stay as they were: %s", told)
        else:
            log.info("%s: %d keys", self._path.name, len(self._keys))
            self._keep(self._keys)


def _told(error: ConfigurationError) -> str:
    return "; ".join(map(str, error.problems[:MAX_PROBLEMS]))


def _signature(path: Path) -> Signature | None:
    """What changes with the file, also when another takes its place; None if there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)


def _read(path: Path, defaults: Limits) -> tuple[ApiKey, ...]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text; save it as UTF-8"
    else:
        if len(raw) <= MAX_BYTES:
            return parse_keys(text, path.name, defaults)
        problem = f"is larger than {MAX_BYTES:,} bytes"
    raise ConfigurationError([Problem(f"API_KEYS_FILE ({path})", problem)])
