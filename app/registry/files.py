"""The texts that a configuration is made of."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, Problem


class ConfigurationFiles:
    """Files as they are on disk, or as they were `kept`, by path. `texts` are those that were read.

    Kept ones do not change while somebody edits those on disk.
    """

    def __init__(self, kept: Mapping[Path, str] | None = None) -> None:
        self._kept = kept
        self.texts: dict[Path, str] = {}

    def has(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path.is_file() if self._kept is None else path in self._kept

    def read(self, path: Path) -> str:
        """Its text, which is UTF-8. Raises OSError and UnicodeDecodeError."""
        if self._kept is None:
            text = path.read_text(encoding="utf-8")
        elif path in self._kept:
            text = self._kept[path]
        else:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self.texts[path] = text
        return text


def read_json(path: Path, files: ConfigurationFiles) -> Any:
    """What a JSON file holds. Raises ConfigurationError, which says what is wrong with it."""
    try:
        return json.loads(files.read(path))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text; save it as UTF-8"
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except (RecursionError, ValueError):
        problem = "is nested too deeply, or holds a number that is too long"
    raise ConfigurationError([Problem(str(path), problem)])
