"""Names and clean-up of the shared memory between Triton and its Python stubs.

A killed tritonserver leaves its regions in /dev/shm. Each server therefore has a prefix of its own,
which carries the launcher's process id: whoever starts next removes what dead launchers left.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path("/dev/shm")  # noqa: S108
FAMILY = "openai-api-demo"

_instances = itertools.count()


def new_prefix() -> str:
    """A prefix no other server on this machine uses: `openai-api-demo-<pid>-<n>-`."""
    return f"{FAMILY}-{os.getpid()}-{next(_instances)}-"


def regions(prefix: str) -> list[Path]:
    """The regions that exist under the prefix."""
    return sorted(path for path in _entries() if path.name.startswith(prefix))


def remove(prefix: str) -> None:
    """Remove every region under the prefix; call only when its server and stubs have ended."""
    for path in regions(prefix):
        path.unlink(missing_ok=True)


def remove_abandoned() -> None:
    """Remove the regions of launchers that no longer run."""
    for path in regions(f"{FAMILY}-"):
        launcher = path.name.removeprefix(f"{FAMILY}-").partition("-")[0]
        if launcher.isdigit() and not _is_running(int(launcher)):
            path.unlink(missing_ok=True)


def _entries() -> Iterator[Path]:
    return FOLDER.iterdir() if FOLDER.is_dir() else iter(())


def _is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
