"""A Triton's address as the configuration gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace

SECURE_SCHEMES = ("grpcs", "https")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect to, and whether to use TLS.

    `authority` is `host:port` as the configuration names it, `located` where it was looked up.
    """

    authority: str
    is_secure: bool
    located: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """From `host:port` with or without a scheme."""
        scheme, _, host_and_port = url.rpartition("://")
        return cls(host_and_port, scheme in SECURE_SCHEMES)

    @property
    def host(self) -> str:
        """The host that the configuration names, without the brackets of an IPv6 address."""
        return self.authority.rpartition(":")[0].removeprefix("[").removesuffix("]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.authority.rpartition(":")[2])

    @property
    def host_and_port(self) -> str:
        """Where to connect to."""
        return self.located or self.authority

    def at(self, host: str) -> Address:
        """The same name at one of its numeric addresses."""
        shown = f"[{host}]" if ":" in host else host
        return replace(self, located=f"{shown}:{self.port}")
