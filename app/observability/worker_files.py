"""Where gunicorn's workers keep their numbers: files of one folder, named by the worker's slot.

For gunicorn's master, so only the standard library is used. `forget_live` does what
prometheus_client's `mark_process_dead` does, which the master must not import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# prometheus_client reads it when it is imported; no process but a worker may have it.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SLOT = "OPENAI_API_WORKER_SLOT"


def free_slot(taken: Iterable[int]) -> int:
    """The lowest number from 0 that no living worker has.

    A new worker goes on with the files of a dead one, so its counters stay and there are never
    more files than there were workers at once.
    """
    used = set(taken)
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def settle(folder: Path, slot: int) -> None:
    """Tell this process, a worker that has loaded nothing yet, where to keep its numbers."""
    folder.mkdir(exist_ok=True)
    os.environ[FOLDER] = str(folder)
    os.environ[SLOT] = str(slot)


def forget_live(folder: Path, slot: int) -> None:
    """Remove what is only true while a worker lives: its gauges."""
    # gunicorn ends, and cuts all streams, for what is raised here.
    with suppress(OSError):
        for path in folder.glob(f"gauge_live*_{slot}.db"):
            path.unlink(missing_ok=True)
