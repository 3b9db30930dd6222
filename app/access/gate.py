"""The keys of the settings and of their file, and the limits of each."""

from __future__ import annotations

import logging

from app.access.key_file import KeyFile
from app.access.keys import ApiKey, Limits, find_key
from app.access.leases import Lease, Places
from app.access.windows import Windows
from app.errors import AuthenticationError, ConfigurationError, Problem
from app.lifecycle.service_folder import ServiceFolder
from app.setting_casts import MEMORY_STORAGE
from app.settings import Settings

log = logging.getLogger(__name__)


class Gate:
    """Who may ask, and how much. The service's `folder` keeps the keys of the key file.

    Raises:
        ConfigurationError: the key file is broken and no keys were kept, or the shared storage has
            no such address.
    """

    def __init__(self, settings: Settings, folder: ServiceFolder | None) -> None:
        limits = _limits(settings)
        self._own = tuple(
            ApiKey(digest, f"API_KEYS-{place}", limits)
            for place, digest in enumerate(settings.api_keys or (), start=1)
        )
        path = settings.api_keys_file
        self._file = None if path is None else KeyFile(path, limits, folder)
        self._windows = _windows(settings.rate_limit_storage)
        self._places = Places()

    def identify(self, presented: str | None) -> ApiKey:
        """The key that a request has presented, None if it has none.

        Raises:
            AuthenticationError: it is none of the keys.
        """
        if presented is None:
            raise AuthenticationError(
                "this server needs an API key; send it in the header Authorization: Bearer KEY"
            )
        # No key has other characters than ASCII, and no text fails here.
        key = find_key(self._keys(), presented.encode("utf-8", "surrogatepass"))
        if key is None:
            raise AuthenticationError("the API key is not one of this server's keys")
        return key

    def lease(self, key: ApiKey) -> Lease:
        """A request of the key, which has not begun."""
        return Lease(key, self._places, self._windows)

    def _keys(self) -> tuple[ApiKey, ...]:
        # The file's last, so that its limits count for a key that is in both.
        return self._own if self._file is None else (*self._own, *self._file.keys())


def open_gate(settings: Settings, folder: ServiceFolder | None = None) -> Gate | None:
    """The gate, or None if the settings name no keys: then no request needs one.

    Raises:
        ConfigurationError: see `Gate`.
    """
    if settings.api_keys is None and settings.api_keys_file is None:
        if _limits(settings) != Limits():
            log.warning("limits of keys have no effect without API_KEYS or API_KEYS_FILE")
        return None
    return Gate(settings, folder)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.key_requests_per_minute,
        settings.key_tokens_per_minute,
        settings.key_concurrent_requests,
    )


def _windows(storage: str) -> Windows:
    if storage == MEMORY_STORAGE:
        return Windows()
    # Only here, because most servers do without Redis.
    from app.access.redis_storage import redis_storage

    try:
        return Windows(redis_storage(storage))
    except ValueError:
        problem = "must be like redis://HOST:PORT/0; what was given cannot be read"
        raise ConfigurationError([Problem("RATE_LIMIT_STORAGE", problem)]) from None
