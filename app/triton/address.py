"""A Triton's address as the configuration gives it."""

from __future__ import annotations

from dataclasses import dataclass

SECURE_SCHEMES = ("grpcs", "https")


@dataclass(frozen=True, slots=True)
class Address:
    """`host:port`, and whether to use TLS."""

    host_and_port: str
    is_secure: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """From `host:port` with or without a scheme."""
        scheme, _, host_and_port = url.rpartition("://")
        return cls(host_and_port, scheme in SECURE_SCHEMES)
