"""Bodies of so many values that reading them would stop everybody else.

orjson keeps Python's lock while it reads: a million objects are a second in which no other request
moves, and hundreds of megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.errors import InvalidRequest

# Strings, keys, objects and lists; and what commas part, such as token ids, which cost less.
MAX_NODES = 200_000
MAX_ITEMS = 2_000_000

MARK = re.compile(rb'["\[{]')
# Possessive, so that an end that is missing is told after one reading.
REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
QUOTE = ord('"')


def check_size(raw: bytes) -> None:
    """Raise InvalidRequest for JSON of too many values."""
    if len(raw) <= MAX_NODES or not _may_be_many(raw):
        return
    if any(nodes > MAX_NODES or items > MAX_ITEMS for nodes, items in _counts(raw)):
        raise InvalidRequest(
            f"the request body has too many values: it may have {MAX_NODES} strings, keys,"
            f" objects and lists, and {MAX_ITEMS} items; send several requests"
        )


def _may_be_many(raw: bytes) -> bool:
    """By a count that takes text in strings for more of them."""
    num_nodes = raw.count(b'"') // 2 + raw.count(b"[") + raw.count(b"{")
    return num_nodes > MAX_NODES or raw.count(b",") > MAX_ITEMS


def _counts(raw: bytes) -> Iterator[tuple[int, int]]:
    """How many nodes and commas there are outside strings, up to each node and to the end."""
    num_nodes = num_commas = start = 0
    while (found := MARK.search(raw, start)) is not None:
        num_nodes += 1
        num_commas += raw.count(b",", start, found.start())
        yield num_nodes, num_commas
        start = found.end()
        if raw[start - 1] == QUOTE:
            rest = REST_OF_STRING.match(raw, start)
            if rest is None:
                return
            start = rest.end()
    yield num_nodes, num_commas + raw.count(b",", start)
