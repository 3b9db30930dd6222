"""A model that answers when it is let, not after a time that a busy machine stretches."""

from __future__ import annotations

import time
from pathlib import Path

POLL_SECONDS = 0.02


class Gate:
    """Closed as long as there is the file; without a path it is open."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None

    def wait(self) -> None:
        """Return once it is open."""
        while self._path is not None and self._path.exists():
            time.sleep(POLL_SECONDS)
