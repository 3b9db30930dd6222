"""What every request gets: an id, a log line, timing headers, a limit for stalled sockets, a count.

It is counted once its response is closed, which for a stream is at its end, whoever ended it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from app.observability import metrics, tracing
from app.observability.access_log import PROBES, Request, log_request
from app.settings import Settings
from app.tally import Tally
from app.web.closing import ClosingResponse
from app.web.sse import EventStreamBody, Outcome

if TYPE_CHECKING:
    from app.observability.spans import RequestTrace

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
SECONDS_TO_MS = 1000


def register_request_context(app: Flask, settings: Settings) -> None:
    """Add the id, the headers and the log line to every request of the application."""
    # Whoever makes a response: it becomes one of these.
    app.response_class = ClosingResponse

    @app.before_request
    def begin() -> None:
        g.started = time.monotonic()
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        g.trace = _begun_trace()
        if _is_counted():
            metrics.request_opened()
        _limit_stalls(settings.body_timeout)

    @app.after_request
    def finish(response: Response) -> Response:
        elapsed = round((time.monotonic() - g.started) * SECONDS_TO_MS)
        response.headers["x-request-id"] = g.request_id
        response.headers["openai-processing-ms"] = str(elapsed)
        response.call_on_close(_counting(response))
        return response

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        tracing.leave()
        trace: RequestTrace | None = g.pop("trace", None)
        if trace is not None:
            # There is no response that will be closed.
            trace.drop()


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
    is_stream = isinstance(response.response, EventStreamBody)
    key = g.get("key_name")
    trace: RequestTrace | None = g.pop("trace", None)
    sent_status = response.status_code
    asked = Request(g.request_id, request.method, request.path, key, is_stream)
    tally: Tally = g.get("tally") or Tally()

    def count() -> None:
        if is_counted:
            metrics.request_closed()
        answered = metrics.Answered(
            route=None if rule is None else rule.rule,
            model=model,
            status=outcome.status,
            started=started,
            ended=time.monotonic(),
            tally=tally,
        )
        metrics.request_answered(answered)
        log_request(asked, answered, outcome.code)
        if trace is not None:
            trace.finish(answered, sent_status, outcome.code)

    return count


def _is_counted() -> bool:
    """Whether it is an open request to whoever looks at the metrics, which then is one itself."""
    return request.url_rule is None or request.url_rule.rule != "/metrics"


def _outcome(response: Response) -> Outcome:
    """What it comes to; the status that a stream begins with says nothing of its end."""
    body = response.response
    if isinstance(body, EventStreamBody):
        return body.outcome
    return Outcome(response.status_code, g.get("error_code"))


def _begun_trace() -> RequestTrace | None:
    route = None if request.url_rule is None else request.url_rule.rule
    if route in PROBES:
        return None
    return tracing.begin(g.request_id, request.method, route, request.environ)


def _limit_stalls(seconds: float) -> None:
    """gunicorn itself waits for ever for a body, and for a reader that has stopped reading."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(seconds)
