"""Reading a JSON body that may be hostile."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import orjson
import werkzeug.exceptions
from werkzeug.wrappers import Request

from app import offload
from app.errors import (
    ApiError,
    BodyTimeout,
    BodyTooLarge,
    ClientDisconnected,
    InvalidRequest,
    UnsupportedMediaType,
)
from app.web.json_size import check_size
from app.web.large_bodies import BodyRoom

MAX_DEPTH = 64
CHUNK = 64 * 1024


def read_body(request: Request, room: BodyRoom, max_bytes: int, timeout: float) -> bytes:
    """The bytes of a JSON body, counted in `room`; `timeout` in seconds is for all of it.

    Raises:
        UnsupportedMediaType: it is not declared as plain JSON.
        BodyTooLarge: it is longer than `max_bytes`, whatever its headers say.
        BodyTimeout: it does not come.
        ServerOverloaded: there is no room for it.
        ClientDisconnected: the client went away before its end.
        InvalidRequest: it is empty, or its framing is broken.
    """
    _check_type(request)
    # Other hosts read the body themselves before they call the application.
    limit = offload.time_limit(timeout) if offload.is_event_loop() else nullcontext()
    try:
        with limit:
            raw = _read(request, room, max_bytes)
    except TimeoutError:
        raise BodyTimeout("the request body did not arrive in time") from None
    if not raw:
        raise InvalidRequest("the request body is empty; send a JSON object")
    return raw


def parse_json(raw: bytes) -> dict[str, Any]:
    """The object in `raw`.

    Raises:
        InvalidRequest: it is no JSON object, or holds NaN, a lone surrogate, NUL, too deep a
            nesting or too many values.
    """
    check_size(raw)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the request body must be a JSON object")
    _check_values(body)
    return body


def _check_type(request: Request) -> None:
    if request.mimetype != "application/json":
        given = request.mimetype[:64] or "nothing"
        raise UnsupportedMediaType(f"Content-Type must be application/json, but was {given}")
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaType(f"Content-Encoding must be identity, but was {encoding[:64]}")


def _read(request: Request, room: BodyRoom, max_bytes: int) -> bytes:
    too_large = BodyTooLarge(f"the request body is larger than {max_bytes} bytes")
    if (request.content_length or 0) > max_bytes:
        raise too_large
    # Chunked bodies have no length, and Werkzeug's own limit would cut them in silence.
    chunks, size = [], 0
    while chunk := _read_some(request, min(CHUNK, max_bytes + 1 - size)):
        room.take(len(chunk))
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise too_large
    return b"".join(chunks)


def _read_some(request: Request, num_bytes: int) -> bytes:
    try:
        return request.stream.read(num_bytes)
    except werkzeug.exceptions.ClientDisconnected as error:
        # Werkzeug says the same of a body that ends early and of one that does not come.
        if isinstance(error.__context__, TimeoutError):
            raise TimeoutError from None
        raise
    except (TimeoutError, ApiError, MemoryError):
        raise
    except OSError:
        raise ClientDisconnected("the client went away") from None
    except Exception as error:  # each host has its own errors for broken chunks
        raise InvalidRequest("the request body cannot be read", detail=repr(error)) from None


def _check_values(body: Any) -> None:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _children(value)]
        if not level:
            return
    raise InvalidRequest(f"the request body is nested more than {MAX_DEPTH} levels deep")


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        for name in value:
            _check_text(name)
        return _containers(value.values())
    return _containers(value)


def _containers(values: Any) -> list[Any]:
    nested = []
    for value in values:
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, (dict, list)):
            nested.append(value)
    return nested


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidRequest("the request body holds the NUL character, which no model takes")
