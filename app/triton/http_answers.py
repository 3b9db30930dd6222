"""Answers of Triton's HTTP, read in parts and up to a limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import numpy as np
import orjson

from app.triton.errors import classify

# Bytes of a body that are read before others on the event loop get their turn, under 1 ms.
PART_SIZE = 1024 * 1024
# Seconds. gevent runs up to 50 sleeps of nothing before it looks at its sockets and timers.
A_TURN = 1e-6
OK = 200
# Bytes of an unreadable answer that the log shows.
MAX_SHOWN = 256
# How many bytes of a body are its JSON, where tensors follow.
HEAD_SIZE = "Inference-Header-Content-Length"
# Bytes that the answer to any question may have, as many as a gRPC message.
MIN_ANSWER_LIMIT = 64 * 2**20
# Vectors of 16,384 numbers of four bytes for each token are larger than any model's.
BYTES_PER_TOKEN = 64 * 2**10
# 64 rows of 512 tokens with 4,096 numbers each.
MAX_ANSWER_LIMIT = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `head_size` is None where all of the body is JSON."""

    body: memoryview
    head_size: int | None


def answer_limit(num_tokens: int) -> int:
    """How many bytes the answer to so many tokens may have."""
    return min(max(num_tokens * BYTES_PER_TOKEN, MIN_ANSWER_LIMIT), MAX_ANSWER_LIMIT)


def accepted(response: Any, limit: int) -> Answer:
    """The answer of at most `limit` bytes, read to its end.

    Raises:
        ApiError: it is a refusal.
        HTTPException: it is too large, or ends early.
    """
    try:
        body = _body(response, limit)
    finally:
        # A connection whose answer was not read to its end serves nobody else.
        response.release()
    if response.status_code != OK:
        raise classify(str(response.status_code), _refusal(body))
    head_size = response.get(HEAD_SIZE)
    return Answer(body, None if head_size is None else int(head_size))


def _body(response: Any, limit: int) -> memoryview:
    """All of the body; of a large one there is no second copy, and others run in between.

    Raises:
        HTTPException: it is too large, or ends early.
    """
    size = response.content_length
    if size is None:
        return memoryview(_unannounced(response, limit))
    if size > limit:
        raise HTTPException(f"a body of {size} bytes")
    if size <= PART_SIZE:
        return memoryview(response.read())
    body, start = np.empty(size, np.uint8).data, 0
    while start < size:
        part = response.read(min(PART_SIZE, size - start))
        if not part:
            raise HTTPException(f"the body ended after {start} of {size} bytes")
        body[start : start + len(part)] = part
        start += len(part)
        time.sleep(A_TURN)
    return body


def _unannounced(response: Any, limit: int) -> bytes:
    """A body in chunks, as Triton sends its JSON."""
    body = bytearray()
    while part := response.read(PART_SIZE):
        body += part
        if len(body) > limit:
            raise HTTPException(f"a body of more than {limit} bytes")
    return bytes(body)


def _refusal(body: memoryview) -> str:
    """Triton's own words; the body's beginning where it is not Triton who answers."""
    try:
        return str(orjson.loads(body)["error"])
    except (ValueError, TypeError, KeyError):
        return f"no error of Triton's: {bytes(body[:MAX_SHOWN])!r}"
