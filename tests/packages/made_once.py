"""What is made once in a run of the tests, for all of its processes."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import TextIOWrapper
from pathlib import Path

MADE = "made"


@cache
def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name`, which the first process that asks lets `make` fill; the last removes it.

    `make` gets the folder, which is empty. Nobody may write there later.
    """
    # pytest-xdist's processes have this in common.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")
    folder = Path(tempfile.gettempdir()) / f"tests-{run}-{name}"
    in_use = folder.with_suffix(".used").open("a")
    with _alone(folder) as mark:
        # As long as somebody has this, the folder is in use.
        fcntl.flock(in_use, fcntl.LOCK_SH)
        if mark.read() != MADE:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            make(folder)
            mark.write(MADE)
    atexit.register(_leave, folder, in_use)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[TextIOWrapper]:
    """The file that says whether the folder is made, while no other process has it."""
    with folder.with_suffix(".lock").open("a+") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        mark.seek(0)
        yield mark


def _leave(folder: Path, in_use: TextIOWrapper) -> None:
    with _alone(folder) as mark, in_use:
        try:
            fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        mark.truncate(0)
        shutil.rmtree(folder, ignore_errors=True)
        for file in (in_use, mark):
            Path(file.name).unlink(missing_ok=True)
