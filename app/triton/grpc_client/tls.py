"""What goes over the socket: as it is, or within TLS."""

from __future__ import annotations

import ssl
from typing import Protocol

RECORD_BYTES = 2**16


class Layer(Protocol):
    """Turns what is sent and received into what the socket carries. Not safe between threads."""

    def sealed(self, data: bytes) -> bytes:
        """What to send for `data`, and whatever else the layer has to say."""

    def opened(self, data: bytes) -> bytes:
        """What `data` brought; b"" is nothing yet."""

    @property
    def is_open(self) -> bool:
        """Whether data may be sent."""


class PlainLayer:
    """Nothing is changed."""

    is_open = True

    def sealed(self, data: bytes) -> bytes:
        """As given."""
        return data

    def opened(self, data: bytes) -> bytes:
        """As given."""
        return data


class TlsLayer:
    """TLS that offers HTTP/2 by ALPN and trusts the system's or `SSL_CERT_FILE`'s authorities.

    It never touches the socket: sending and receiving at once on one is safe only this way.
    """

    def __init__(self, host: str) -> None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._has_shaken_hands = False
        self._failure: ssl.SSLError | None = None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is over."""
        return self._has_shaken_hands

    def sealed(self, data: bytes) -> bytes:
        """Records of `data`, and what the handshake has to say. Raises ssl.SSLError."""
        if not self._has_shaken_hands:
            self._shake_hands()
        if data:
            self._tls.write(data)
        return self._outgoing.read()

    def opened(self, data: bytes) -> bytes:
        """What the records bring. Raises ssl.SSLError."""
        self._incoming.write(data)
        if not self._has_shaken_hands:
            self._shake_hands()
        parts = []
        while self._has_shaken_hands:
            try:
                part = self._tls.read(RECORD_BYTES)
            except ssl.SSLWantReadError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)

    def _shake_hands(self) -> None:
        if self._failure is not None:
            # Tried once more, OpenSSL would fail without a reason.
            raise self._failure
        try:
            self._tls.do_handshake()
            if self._tls.selected_alpn_protocol() not in ("h2", None):
                raise ssl.SSLError("the server does not speak HTTP/2")
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self._failure = error
            raise
        self._has_shaken_hands = True
