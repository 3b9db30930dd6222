"""JSON answers."""

from __future__ import annotations

import random
from typing import Any

import orjson
from flask import Response, g

from app.errors import ApiError

SECOND_MS = 1000
# A write of this size is what BODY_TIMEOUT allows the time for, as gevent counts it.
PIECE_BYTES = 64 * 1024


def json_response(content: Any, status: int = 200) -> Response:
    """`content` as JSON, which is written in pieces if it is large."""
    body = orjson.dumps(content)
    if len(body) <= PIECE_BYTES:
        return Response(body, status, mimetype="application/json")
    headers = {"Content-Length": str(len(body))}
    return Response(_Pieces(body), status, headers, mimetype="application/json")


class _Pieces:
    """The bytes of a body, one piece after another; only the one that is sent is there twice."""

    def __init__(self, body: bytes) -> None:
        self._rest = memoryview(body)

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> bytes:
        piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        if not piece:
            raise StopIteration
        return bytes(piece)


def error_response(error: ApiError) -> Response:
    """The error's body, and the headers that tell clients whether to try again.

    `g.error_body` makes the body where a request has another form than OpenAI's.
    """
    body = g.get("error_body", ApiError.as_dict)
    g.error_code = error.code
    response = json_response(body(error), error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
        # Clients that were refused together must not come back together.
        jitter_ms = random.randrange(SECOND_MS)  # noqa: S311  # no secret
        response.headers["retry-after-ms"] = str(error.retry_after * SECOND_MS + jitter_ms)
    if not error.is_worth_retrying:
        # openai-python would otherwise send a request that timed out twice more.
        response.headers["x-should-retry"] = "false"
    return response
