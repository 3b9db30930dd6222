"""What begins a call: the request's header fields and its only message.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache

from hpack import Encoder

from app.version import VERSION

# Whether it is compressed, and its length, before each message.
MESSAGE_PREFIX = struct.Struct(">?L")
# It adds nothing to the table that both sides share, so that a block may be used again.
_encoder = Encoder()
# A server may allow less than the usual table and wants to hear that its word is kept, which this
# says in each block: https://www.rfc-editor.org/rfc/rfc7541#section-6.3
NO_TABLE = b"\x20"


@lru_cache(maxsize=256)
def header_block(authority: str, scheme: str, path: str, timeout: float) -> bytes:
    """A request's header fields, encoded; the peer may drop the call after `timeout` seconds."""
    fields = {
        ":method": "POST",
        ":scheme": scheme,
        ":path": path,
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": f"openai-api/{VERSION}",
        "grpc-timeout": f"{min(math.ceil(timeout * 1000), 99_999_999)}m",
    }
    return NO_TABLE + _encoder.encode([(name, value, True) for name, value in fields.items()])


def header_field(name: str, value: str) -> bytes:
    """One more field behind a `header_block`."""
    return _encoder.encode([(name, value, True)])


def framed(message: bytes) -> bytes:
    """A message as the body of a request that has just this one."""
    return MESSAGE_PREFIX.pack(False, len(message)) + message
