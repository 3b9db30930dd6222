"""What is kept of an API key: its SHA-256 digest."""

from __future__ import annotations

import hashlib
import re

DIGEST_PREFIX = "sha256:"
DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
# Visible ASCII without the comma, which would separate two headers of one name.
KEY = re.compile(r"[!-+\--~]{1,512}")


def digest_of(presented: bytes) -> bytes:
    """The 32 bytes by which keys are compared."""
    return hashlib.sha256(presented).digest()


def read_key(text: str) -> bytes:
    """The digest of a key that is written as it is, or as `sha256:<64 hex digits>`.

    Raises:
        ValueError: what is wrong with it; never the key itself.
    """
    if hashed := DIGEST.fullmatch(text):
        return bytes.fromhex(hashed[1])
    if text.startswith(DIGEST_PREFIX):
        raise ValueError("a hashed key must be sha256: and 64 hexadecimal digits")
    if not KEY.fullmatch(text):
        raise ValueError(
            "a key must have 1 to 512 visible ASCII characters, without space and comma"
        )
    return digest_of(text.encode("ascii"))


def read_keys(text: str) -> tuple[bytes, ...]:
    """The digests of keys that are separated by commas.

    Raises:
        ValueError: which one is wrong, by its place; never the key itself.
    """
    digests = []
    for place, word in enumerate(text.split(","), start=1):
        try:
            digests.append(read_key(word.strip()))
        except ValueError as error:
            raise ValueError(
                f"must be keys that are separated by commas; in place {place}: {error}"
            ) from None
    return tuple(digests)
