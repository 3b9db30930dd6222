"""Where a server is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from app.terminal.failures import EXIT_CONFIGURATION, CommandError

SCHEMES = ("http", "https")
# What people copy together with the address: every path of the API begins with it.
API_PREFIX = "/v1"
# ASCII without spaces and control characters, as HTTP has it.
SENDABLE = re.compile("[!-~]*")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Its parts; `prefix` is the path before /v1."""

    host: str
    port: int
    is_secure: bool
    prefix: str

    @classmethod
    def parse(cls, url: str) -> ServerAddress:
        """From what was typed: with or without http://, with or without /v1.

        Raises:
            CommandError: it is no such address.
        """
        given = url if "://" in url else f"http://{url}"
        try:
            return cls._of(urlsplit(given))
        except ValueError:
            raise CommandError(
                f"{url!r} is no address of a server",
                advice="Write it like http://localhost:5100 or https://api.example.com/v1.",
                code=EXIT_CONFIGURATION,
            ) from None

    @classmethod
    def _of(cls, parts: SplitResult) -> ServerAddress:
        """Raises ValueError where there is too little, or more than is sent."""
        host, prefix = parts.hostname, parts.path.rstrip("/").removesuffix(API_PREFIX)
        is_secure = parts.scheme == "https"
        port = (443 if is_secure else 80) if parts.port is None else parts.port
        has_more = parts.username is not None or parts.query or parts.fragment
        if not host or not port or parts.scheme not in SCHEMES or has_more:
            raise ValueError(parts)
        # UnicodeError, which is a ValueError: no name that could be looked up.
        if not (SENDABLE.fullmatch(host.encode("idna").decode()) and SENDABLE.fullmatch(prefix)):
            raise ValueError(parts)
        return cls(host, port, is_secure, prefix)

    def __str__(self) -> str:
        scheme = "https" if self.is_secure else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{self.prefix}"
