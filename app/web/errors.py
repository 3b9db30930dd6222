"""Every failure of every route as OpenAI's error object."""

from __future__ import annotations

import logging

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app.errors import (
    ApiError,
    BodyTooLarge,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ServerOverloaded,
    UnsupportedMediaType,
)
from app.observability.log_fields import about
from app.observability.metrics import request_failed
from app.web.contexts import current_request_id
from app.web.json_answers import error_response

log = logging.getLogger(__name__)

# Of a path that an error repeats.
MAX_PATH = 128

KINDS: dict[int, tuple[type[ApiError], str]] = {
    400: (InvalidRequest, "the request cannot be read"),
    404: (NotFound, "there is nothing at {path}; GET /v1/models is where to begin"),
    405: (MethodNotAllowed, "{method} is not allowed here; see the header Allow"),
    413: (BodyTooLarge, "the request body is too large"),
    415: (UnsupportedMediaType, "Content-Type must be application/json"),
}


def register_error_handlers(app: Flask) -> None:
    """Make every failure of the application a JSON answer."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _any_error)


def log_failure(error: ApiError, request_id: str, model: str) -> None:
    """What the client is not told: the backend's own words, with the request's id and model."""
    request_failed(model, error)
    if error.status >= 500:
        # Triton's words may hold line breaks; one event is one line.
        extra = about(request_id, model=model or None, error=error.code)
        detail = error.detail or ""
        log.error("%s: %s: %s: %r", request_id, model or "-", error.code, detail, extra=extra)
    elif error.status == 499:
        log.info("%s: the client went away", request_id, extra=about(request_id))


def as_api_error(error: Exception, request_id: str, model: str = "") -> ApiError:
    """What the client is told; for a bug of ours nothing of it."""
    if isinstance(error, MemoryError):
        error = ServerOverloaded("the server has no memory for this request; try again")
    if isinstance(error, ApiError):
        log_failure(error, request_id, model)
        return error.for_client(request_id)
    log.error("%s: internal error", request_id, exc_info=error, extra=about(request_id))
    return InternalError("internal error").for_client(request_id)


def _any_error(error: Exception) -> Response:
    return error_response(as_api_error(error, current_request_id(), g.get("model", "")))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status not in KINDS:
        return _any_error(error)
    kind, message = KINDS[status]
    told = message.format(method=request.method, path=request.path[:MAX_PATH])
    response = error_response(kind(told))
    # A 405 must say which methods there are.
    response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    return response
