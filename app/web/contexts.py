"""What every request gets: an id, a log line, timing headers and a limit for stalled sockets."""

from __future__ import annotations

import logging
import re
import time
import uuid

from flask import Flask, Response, g, request

from app.settings import Settings

log = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
SECONDS_TO_MS = 1000


def register_request_context(app: Flask, settings: Settings) -> None:
    """Add the id, the headers and the log line to every request of the application."""

    @app.before_request
    def begin() -> None:
        g.started = time.monotonic()
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        _limit_stalls(settings.body_timeout)

    @app.after_request
    def finish(response: Response) -> Response:
        elapsed = round((time.monotonic() - g.started) * SECONDS_TO_MS)
        response.headers["x-request-id"] = g.request_id
        response.headers["openai-processing-ms"] = str(elapsed)
        log.info(
            "%s: %s %s %d in %d ms",
            g.request_id,
            request.method,
            _printable(request.path),
            response.status_code,
            elapsed,
        )
        return response


def current_request_id() -> str:
    """The id of the request that this thread or greenlet works on."""
    return str(g.request_id)


def _limit_stalls(seconds: float) -> None:
    """gunicorn itself waits for ever for a body, and for a reader that has stopped reading."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(seconds)


def _printable(path: str) -> str:
    return path[:256].encode("unicode_escape").decode()
