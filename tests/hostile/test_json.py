"""JSON that is made to be expensive: depth, width, numbers, texts."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.web import json_size
from app.web.json_body import parse_json

MIB16 = 16 * 2**20
# Seconds of the processor, for what takes a tenth of one.
SOON = 5.0


def wide(item: bytes, count: int) -> bytes:
    return b'{"a":[' + b",".join([item] * count) + b"]}"


EXPENSIVE = {
    "16 MiB of [": b"[" * MIB16,
    "16 MiB of {": b"{" * MIB16,
    "16 MiB of keys without a value": b'{"a":' * (MIB16 // 5),
    "a million keys": b"{" + b",".join(b'"%07d":1' % n for n in range(10**6)) + b"}",
    "five million lists": wide(b"[]", 5 * 10**6),
    "two million objects": wide(b'{"a":1}', 2 * 10**6),
    "four million strings": wide(b'"a"', 4 * 10**6),
    "eight million numbers": wide(b"1", 8 * 10**6),
    "four million lists at 62 levels": b'{"a":' + b"[" * 62 + b"[]," * (4 * 10**6) + b"[]" * 62,
    "a string without an end": b'{"a":"' + b'\\"' * (MIB16 // 2 - 10),
    "a number of 16 MiB": b'{"a":' + b"9" * (MIB16 - 10) + b"}",
}


@pytest.mark.parametrize("name", EXPENSIVE)
def test_what_is_expensive_is_refused_soon(name: str) -> None:
    start = time.thread_time()
    with pytest.raises(InvalidRequest):
        parse_json(EXPENSIVE[name])
    assert time.thread_time() - start < SOON


@pytest.mark.parametrize(
    ("item", "most"),
    [(b'"a"', json_size.MAX_NODES - 3), (b"[]", json_size.MAX_NODES - 3), (b"1", 2_000_001)],
)
def test_the_largest_width_and_one_more(item: bytes, most: int) -> None:
    assert len(parse_json(wide(item, most))["a"]) == most
    with pytest.raises(InvalidRequest, match="too many values"):
        parse_json(wide(item, most + 1))


def test_text_that_looks_like_json_is_text() -> None:
    """A document of 4 MiB is one string, whatever is in it."""
    text = json.dumps([{"a": [1, 2, "b"]}] * 150_000)
    assert parse_json(orjson.dumps({"input": text}))["input"] == text


def num_nodes(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(num_nodes, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(num_nodes, value))
    return int(isinstance(value, str))


def num_commas(value: Any) -> int:
    if isinstance(value, dict):
        return max(len(value) - 1, 0) + sum(map(num_commas, value.values()))
    if isinstance(value, list):
        return max(len(value) - 1, 0) + sum(map(num_commas, value))
    return 0


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab",[{\\:\n☃', max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text('a",[\\', max_size=4), inner)
    ),
)


@given(VALUES, st.booleans())
def test_the_counts_are_those_of_the_value(value: Any, is_ascii: bool) -> None:
    raw = json.dumps(value, ensure_ascii=is_ascii).encode()
    *_, (nodes, commas) = json_size._counts(raw)
    assert (nodes, commas) == (num_nodes(value), num_commas(value))
