"""What every request gets: an id, a log line, timing headers, a limit for stalled sockets, a count.

It is counted once its response is closed, which for a stream is at its end, whoever ended it.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from flask import Flask, Response, g, request

from app.observability import metrics
from app.settings import Settings
from app.tally import Tally
from app.web.sse import EventStreamBody, Outcome

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
        if _is_counted():
            metrics.request_opened()
        _limit_stalls(settings.body_timeout)

    @app.after_request
    def finish(response: Response) -> Response:
        elapsed = round((time.monotonic() - g.started) * SECONDS_TO_MS)
        response.headers["x-request-id"] = g.request_id
        response.headers["openai-processing-ms"] = str(elapsed)
        log.info(
            "%s: %s %s %d in %d ms%s",
            g.request_id,
            request.method,
            _printable(request.path),
            response.status_code,
            elapsed,
            f" for {g.key_name}" if "key_name" in g else "",
        )
        response.call_on_close(_counting(response))
        return response


def current_request_id() -> str:
    """The id of the request that this thread or greenlet works on."""
    return str(g.request_id)


def _counting(response: Response) -> Callable[[], None]:
    """What counts the request when its response is closed, when the request is known no more.

    It does not hold the response, which holds it: they would be a cycle, and large.
    """
    outcome = _outcome(response)
    rule, model, started = request.url_rule, g.get("model", ""), g.started
    is_counted = _is_counted()
    tally: Tally = g.get("tally") or Tally()

    def count() -> None:
        first = tally.first_token_at
        if is_counted:
            metrics.request_closed()
        metrics.request_answered(
            metrics.Answered(
                route=None if rule is None else rule.rule,
                model=model,
                status=outcome.status,
                seconds=time.monotonic() - started,
                prompt_tokens=tally.prompt_tokens,
                completion_tokens=tally.completion_tokens,
                first_token=None if first is None else first - started,
            )
        )

    return count


def _is_counted() -> bool:
    """Whether it is an open request to whoever looks at the metrics, which then is one itself."""
    return request.url_rule is None or request.url_rule.rule != "/metrics"


def _outcome(response: Response) -> Outcome:
    """What it comes to; the status that a stream begins with says nothing of its end."""
    body = response.response
    return body.outcome if isinstance(body, EventStreamBody) else Outcome(response.status_code)


def _limit_stalls(seconds: float) -> None:
    """gunicorn itself waits for ever for a body, and for a reader that has stopped reading."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(seconds)


def _printable(path: str) -> str:
    return path[:256].encode("unicode_escape").decode()
