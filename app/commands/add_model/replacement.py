"""A file that is replaced whole, and remains whose it was."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

CREATED = os.O_WRONLY | os.O_CREAT | os.O_EXCL
# Until it is known who may read it, nobody but its maker can; a new one is as the umask says.
SECRET, NEW = 0o600, 0o666


def replace_file(path: Path, content: bytes, like: os.stat_result | None) -> None:
    """Put the content in the file's place, all at once.

    Its mode, owner and group are those of `like`, the latter as far as this user may give files
    away. Raises OSError; nothing is left behind then.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, CREATED, NEW if like is None else SECRET)
    try:
        with open(descriptor, "wb") as file:
            if like is not None:
                _make_alike(file.fileno(), like)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _make_alike(descriptor: int, like: os.stat_result) -> None:
    # Members of a group may give it their files; an owner is root's to choose, if it is known here.
    with suppress(OSError):
        os.fchown(descriptor, -1, like.st_gid)
        os.fchown(descriptor, like.st_uid, -1)
    os.fchmod(descriptor, like.st_mode & 0o777)
