"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import orjson
from flask import Response

from app.errors import ApiError

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}

Events = Generator[dict[str, Any] | None, None, None]


def event_stream_response(
    events: Events, as_api_error: Callable[[Exception], ApiError]
) -> Response:
    """A response that sends `events`; None among them is sent as a comment.

    The first one is awaited here, so that a failure before it still has a status of its own.
    `as_api_error` turns a later failure into the error that becomes the last event.
    """
    first = next(events, None)
    return Response(EventStreamBody(first, events, as_api_error), headers=HEADERS)


class EventStreamBody:
    """The frames. Closing it closes `events`, whether or not anything was sent."""

    def __init__(
        self,
        first: dict[str, Any] | None,
        events: Events,
        as_api_error: Callable[[Exception], ApiError],
    ) -> None:
        self._frames = self._all_frames(first, events, as_api_error)
        self.close = events.close

    def __iter__(self) -> EventStreamBody:
        return self

    def __next__(self) -> bytes:
        return next(self._frames)

    @staticmethod
    def _all_frames(
        first: dict[str, Any] | None,
        events: Events,
        as_api_error: Callable[[Exception], ApiError],
    ) -> Generator[bytes, None, None]:
        try:
            yield _frame(first)
            for event in events:
                yield _frame(event)
        except Exception as error:  # the status is sent, so every failure becomes an event
            yield _frame(as_api_error(error).as_dict())
            return
        yield DONE


def _frame(event: dict[str, Any] | None) -> bytes:
    if event is None:
        return KEEP_ALIVE
    return b"data: " + orjson.dumps(event) + b"\n\n"
