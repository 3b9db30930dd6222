"""Where a server is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from app.terminal.failures import EXIT_CONFIGURATION, CommandError

SCHEMES = ("http", "https")
# What people copy together with the address: every path of the API begins with it.
API_PREFIX = "/v1"


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
            parts = urlsplit(given)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
            parts = urlsplit("http:")
        if not host or parts.scheme not in SCHEMES or parts.username is not None:
            raise CommandError(
                f"{url!r} is no address of a server",
                advice="Write it like http://localhost:5100 or https://api.example.com/v1.",
                code=EXIT_CONFIGURATION,
            )
        is_secure = parts.scheme == "https"
        prefix = parts.path.rstrip("/").removesuffix(API_PREFIX)
        return cls(host, port or (443 if is_secure else 80), is_secure, prefix)

    def __str__(self) -> str:
        scheme = "https" if self.is_secure else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{self.prefix}"
