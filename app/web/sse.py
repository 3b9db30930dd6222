"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any

import orjson
from flask import Response

from app.arrivals import Arrivals
from app.errors import ApiError, ClientDisconnected

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}

# Small enough to be made in a millisecond, which is how long the first of several may wait.
MAX_WRITE_BYTES = 16 * 1024

Event = dict[str, Any]
# An event may be JSON already; None is silence.
AnyEvent = Event | bytes | None
Events = Generator[AnyEvent, None, None]


def _plain_failure(error: ApiError) -> Sequence[Event]:
    return [error.as_dict()]


@dataclass(frozen=True, slots=True)
class StreamForm:
    """How an API writes its streams; by default as OpenAI's completions and chat are written.

    `is_named` events are named by their `type`. `silence` and `end` are whole frames; `failure`
    makes the last events of a stream that fails.
    """

    is_named: bool = False
    silence: bytes = KEEP_ALIVE
    end: bytes = DONE
    failure: Callable[[ApiError], Sequence[Event]] = _plain_failure

    def frame(self, event: AnyEvent) -> bytes:
        """The bytes of an event."""
        if event is None:
            return self.silence
        if isinstance(event, bytes):
            return b"data: " + event + b"\n\n"
        name = b"event: " + event["type"].encode() + b"\n" if self.is_named else b""
        return name + b"data: " + orjson.dumps(event) + b"\n\n"


PLAIN = StreamForm()


def event_stream_response(
    events: Events,
    as_api_error: Callable[[Exception], ApiError],
    form: StreamForm,
    arrivals: Arrivals,
) -> Response:
    """A response that sends `events`; None among them is sent as silence.

    The first one is awaited here, so that a failure before it still has a status of its own.
    `as_api_error` turns a later failure into the error that the last events tell. What has arrived
    together, by `arrivals`, is sent together.
    """
    first = next(events, None)
    body = EventStreamBody(first, events, as_api_error, form, arrivals)
    return Response(body, headers=HEADERS)


@dataclass(slots=True)
class Outcome:
    """What a stream has come to.

    `status` is 200 once all is sent, that of the error that its last events tell, and 499 as long
    as there is more to send. `code` is the error's.
    """

    status: int = ClientDisconnected.status
    code: str | None = None


class EventStreamBody:
    """The frames. Closing it closes `events`, whether or not anything was sent."""

    def __init__(
        self,
        first: AnyEvent,
        events: Events,
        as_api_error: Callable[[Exception], ApiError],
        form: StreamForm,
        arrivals: Arrivals,
    ) -> None:
        # Apart from this object, which the generator must not hold: they would be a cycle.
        self.outcome = Outcome()
        self._writes = _writes(chain([first], events), as_api_error, form, arrivals, self.outcome)
        self.close = events.close

    def __iter__(self) -> EventStreamBody:
        return self

    def __next__(self) -> bytes:
        return next(self._writes)


def _writes(
    events: Iterable[AnyEvent],
    as_api_error: Callable[[Exception], ApiError],
    form: StreamForm,
    arrivals: Arrivals,
    outcome: Outcome,
) -> Generator[bytes, None, None]:
    gathered = b""
    try:
        for event in events:
            if event is not None or not gathered:
                gathered += form.frame(event)
            arrivals.is_gathering = len(gathered) < MAX_WRITE_BYTES and arrivals.has_more()
            if not arrivals.is_gathering:
                yield gathered
                gathered = b""
    except Exception as error:  # the status is sent, so every failure becomes an event
        told = as_api_error(error)
        outcome.status, outcome.code = told.status, told.code
        yield gathered + b"".join(map(form.frame, form.failure(told)))
        return
    outcome.status = HTTPStatus.OK.value
    if gathered or form.end:
        yield gathered + form.end
