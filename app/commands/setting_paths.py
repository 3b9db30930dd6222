"""The paths among the settings, for a process that works in another folder."""

from __future__ import annotations

import os
from collections.abc import Mapping

from app import setting_casts as casts
from app.settings import TABLE

VARIABLES = tuple(row.env for row in TABLE if row.cast in (casts.path, casts.changing_path))


def with_absolute_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, whose relative paths are those of this process's working folder.

    A link stays one: what it leads to may be another file at the next reload.
    """
    given = {name: text for name in VARIABLES if (text := environ.get(name, "")).strip()}
    absolute = {name: os.path.abspath(os.path.expanduser(text)) for name, text in given.items()}
    return {**environ, **absolute}
