"""What gunicorn's master tells its workers: files in a folder that nobody else may read.

Used in the master before gevent patches anything, so only the standard library is used.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "OPENAI_API_SERVICE_FOLDER"
PRIVATE = 0o600
PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration that was found to be right: its file, and the text of each file it needs."""

    path: Path
    texts: Mapping[Path, str]


class ServiceFolder:
    """The folder of one master, from its start to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._snapshot = path / "snapshot.json"
        self._keys = path / "keys.json"
        self._served = path / "served"
        self._stopping = path / "stopping"
        self._remembered: str | None = None

    @classmethod
    def create(cls) -> ServiceFolder:
        """A new one, in the folder for temporary files."""
        return cls(Path(tempfile.mkdtemp(prefix="openai-api-")))

    @classmethod
    def current(cls) -> ServiceFolder | None:
        """That of the master above this process, None where there is none."""
        path = os.environ.get(VARIABLE)
        return cls(Path(path)) if path and Path(path).is_dir() else None

    def hold(self) -> None:
        """Keep it for as long as this process lives; cleaners of temporary files know locks."""
        fcntl.flock(os.open(self.path, os.O_RDONLY), fcntl.LOCK_SH)

    def remember(self) -> None:
        """Know by heart what was published last, for `restore`."""
        # What cannot be read now was there before.
        with suppress(OSError):
            self._remembered = self._snapshot.read_text()

    def restore(self) -> None:
        """Make again what somebody has removed, the snapshot and all, and hold it. Raises OSError.

        Some cleaners know no locks, or remove old files alone.
        """
        if not self.path.is_dir():
            self.path.mkdir(PRIVATE_FOLDER, parents=True)
            self.hold()
        if self._remembered is not None and not self._snapshot.exists():
            _replace(self._snapshot, self._remembered)

    def publish(self, snapshot: Snapshot) -> None:
        """Put the snapshot in the place of the one before, as a whole. Raises OSError."""
        texts = {str(path): text for path, text in snapshot.texts.items()}
        _replace(self._snapshot, json.dumps({"path": str(snapshot.path), "texts": texts}))

    def snapshot(self) -> Snapshot:
        """The last that was published. Raises OSError."""
        content = json.loads(self._snapshot.read_bytes())
        texts = {Path(path): text for path, text in content["texts"].items()}
        return Snapshot(Path(content["path"]), texts)

    def edition(self) -> tuple[int, int] | None:
        """What changes with every snapshot; None before the first."""
        try:
            found = self._snapshot.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def keep_keys(self, text: str) -> None:
        """Put what is known of the API keys in the place of what was before. Raises OSError."""
        _replace(self._keys, text)

    def kept_keys(self) -> str:
        """What was kept last. Raises OSError, if there is nothing, too."""
        return self._keys.read_text()

    def note_served(self) -> None:
        """A worker has started."""
        self._served.touch(PRIVATE)

    @property
    def has_served(self) -> bool:
        """Whether any worker ever started."""
        return self._served.exists()

    def note_stopping(self) -> None:
        """The service is about to stop, and not just one worker."""
        self._stopping.touch(PRIVATE)

    @property
    def is_stopping(self) -> bool:
        """Whether the service is about to stop."""
        return self._stopping.exists()

    def remove(self) -> None:
        """The end of the service."""
        shutil.rmtree(self.path, ignore_errors=True)


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole: who reads it meanwhile gets the old one."""
    fresh = path.with_suffix(f".{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w") as file:
        file.write(text)
    fresh.replace(path)
