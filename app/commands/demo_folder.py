"""Where the demo runs: in the repository, or in the user's cache folder if this is installed.

The demo makes an environment beside its files, and an installed package is not written to.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.settings import IS_INSTALLED, PROJECT_ROOT
from app.terminal.failures import EXIT_CONFIGURATION, CommandError

CONFIGURATION = "model_config.json"
# What the demo makes itself, or what Python leaves.
MADE = frozenset({"__pycache__", ".venv", ".environment.lock"})
STAMP = ".files"


def demo_folder(source: Path = PROJECT_ROOT, *, is_installed: bool = IS_INSTALLED) -> Path:
    """The folder in which `python -m demo` runs, with the demo's files as they are in `source`.

    Raises:
        CommandError: the cache folder cannot be written to.
    """
    if not is_installed:
        return source
    # One for each Python: the environment belongs to the one that made it.
    folder = _cache() / "openai_api" / f"demo-{sys.implementation.cache_tag}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _copy(source, folder)
    except OSError as error:
        raise CommandError(
            f"the demo's files cannot be written to {folder}: {error.strerror}",
            advice="Name another folder in the variable XDG_CACHE_HOME.",
            code=EXIT_CONFIGURATION,
        ) from None
    return folder


def _cache() -> Path:
    """https://specifications.freedesktop.org/basedir/latest/: relative paths do not count."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path(os.path.expanduser("~"), ".cache")


def _copy(source: Path, folder: Path) -> None:
    """Make the files the source's; what the demo has made there stays."""
    wanted, stamp = _files(source), folder / STAMP
    digest = _digest(wanted)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    for name in _files(folder).keys() - wanted.keys():
        (folder / name).unlink()
    for name, path in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # The content alone: the package's own may be write-protected.
        shutil.copyfile(path, folder / name)
    stamp.write_text(digest)


def _files(folder: Path) -> Mapping[str, Path]:
    """The demo's own files below a folder, by their paths in it; links are made by the demo."""
    own = [path for path in (folder / CONFIGURATION, *_walk(folder / "demo")) if path.is_file()]
    return {str(path.relative_to(folder)): path for path in own if not path.is_symlink()}


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - MADE)
        yield from (Path(parent, name) for name in sorted(set(names) - MADE))


def _digest(files: Mapping[str, Path]) -> str:
    found = hashlib.sha256()
    for name, path in files.items():
        found.update(hashlib.sha256(name.encode() + b"\0" + path.read_bytes()).digest())
    return found.hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
