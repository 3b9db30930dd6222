"""One line for each request, at the end of its response."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.observability.log_fields import about
from app.observability.metrics import CLIENT_GONE, Answered
from app.tally import Tally

# Not by a module's name: it is what people look for.
log = logging.getLogger("app.requests")

# Asked every few seconds by machines; what is well is not worth a line.
PROBES = frozenset({"/health", "/livez", "/readyz", "/metrics"})
MAX_PATH = 256
SECONDS_TO_MS = 1000
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came. `key` is the name of its key, None where nobody needs one.

    It `is_stream` if it is answered by one.
    """

    id: str
    method: str
    path: str
    key: str | None
    is_stream: bool


def log_request(request: Request, answered: Answered, code: str | None) -> None:
    """Write the line, with an error's `code`. It holds nothing of what was asked or answered."""
    is_well = answered.status < 400
    level = logging.DEBUG if is_well and answered.route in PROBES else logging.INFO
    if not log.isEnabledFor(level):
        return
    path = request.path[:MAX_PATH].encode("unicode_escape").decode()[:MAX_PATH]
    log.log(
        level,
        "%s: %s %s %d in %d ms%s",
        request.id,
        request.method,
        path,
        answered.status,
        round(answered.seconds * SECONDS_TO_MS),
        f" for {request.key}" if request.key else "",
        extra=about(
            request.id,
            method=request.method,
            path=path,
            route=answered.route,
            status=answered.status,
            outcome=outcome(answered.status),
            error=code,
            key=request.key,
            model=answered.model or None,
            stream=request.is_stream,
            seconds=_rounded(answered.seconds),
            queue_seconds=_rounded(_queue_seconds(answered.tally)),
            first_token_seconds=_rounded(answered.first_token),
            prompt_tokens=answered.prompt_tokens or None,
            completion_tokens=answered.completion_tokens or None,
            finish_reasons=_finish_reasons(answered.tally) or None,
        ),
    )


def outcome(status: int) -> str:
    """A status in a word: completed, client_gone, refused (the client's fault) or failed."""
    if status == CLIENT_GONE:
        return "client_gone"
    if status < 400:
        return "completed"
    return "refused" if status < 500 else "failed"


def _queue_seconds(tally: Tally) -> float | None:
    """How long it waited for its place, None if it never had one."""
    asked, placed = tally.asked_at, tally.placed_at
    return None if asked is None or placed is None else placed - asked


def _finish_reasons(tally: Tally) -> list[str]:
    return [choice.finish_reason for choice in tally.choices if choice.finish_reason]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, DIGITS)
