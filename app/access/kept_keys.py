"""The keys of the key file as they were when it was last right, for workers that start later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

from app.access.keys import ApiKey, Limits
from app.lifecycle.service_folder import ServiceFolder


def keep(folder: ServiceFolder, keys: Sequence[ApiKey]) -> None:
    """Put the keys, by their digests alone, in the place of those before. Raises OSError."""
    folder.keep_keys(
        json.dumps([[key.digest.hex(), key.name, astuple(key.limits)] for key in keys])
    )


def kept(folder: ServiceFolder) -> tuple[ApiKey, ...] | None:
    """The last that were kept, None if there are none that can be read."""
    try:
        rows = json.loads(folder.kept_keys())
        return tuple(
            ApiKey(bytes.fromhex(digest), name, Limits(*limits)) for digest, name, limits in rows
        )
    except (OSError, ValueError, TypeError):
        return None
