"""Server-sent events."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from flask import Response

from app.arrivals import Arrivals
from app.errors import ApiError, BackendTimeout, InternalError
from app.web.sse import PLAIN, event_stream_response
from tests.services.sse import read_events

Events = Generator[dict[str, Any] | None, None, None]


class Source:
    """Events that note whether their generator was closed; an exception among them is raised."""

    def __init__(self, *events: Any) -> None:
        self.is_closed = False
        self.events: Events = self._all(events)

    def _all(self, events: tuple[Any, ...]) -> Events:
        try:
            for event in events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.is_closed = True


def as_api_error(error: Exception) -> ApiError:
    return error if isinstance(error, ApiError) else InternalError("internal error")


def respond(source: Source) -> Response:
    return event_stream_response(source.events, as_api_error, PLAIN, Arrivals())


def test_every_event_is_a_frame_and_done_is_the_last() -> None:
    body = respond(Source({"a": 1}, {"b": "x"})).data
    assert body == b'data: {"a":1}\n\ndata: {"b":"x"}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    "text", ["a\n\nb", "a\r\n\r\nb", "a\u2028b\u2029c", "data: [DONE]\n\n", "\x85"]
)
def test_no_text_breaks_a_frame(text: str) -> None:
    assert read_events(respond(Source({"text": text})).data) == [{"text": text}, "[DONE]"]


def test_headers() -> None:
    headers = respond(Source({})).headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in headers


def test_a_failure_of_the_first_event_is_raised() -> None:
    source = Source(BackendTimeout("late"))
    with pytest.raises(BackendTimeout):
        respond(source)
    assert source.is_closed


def test_silence_is_a_comment_and_no_event() -> None:
    assert read_events(respond(Source(None, {"a": 1}, None)).data) == [
        ": keep-alive",
        {"a": 1},
        ": keep-alive",
        "[DONE]",
    ]


@pytest.mark.parametrize("first", [{"a": 1}, None])
@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (BackendTimeout("late"), "timeout_error", "backend_timeout"),
        (ValueError("canary"), "server_error", "internal_error"),
    ],
)
def test_a_later_failure_is_the_last_event(
    first: Any, error: Exception, kind: str, code: str
) -> None:
    response = respond(Source(first, error))
    *_, last = read_events(response.data)
    assert response.status_code == 200
    assert set(last) == {"error"}
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert (last["error"]["type"], last["error"]["code"]) == (kind, code)
    assert b"canary" not in response.data


@pytest.mark.parametrize("num_read", [0, 1, 2])
def test_closing_the_response_closes_the_events(num_read: int) -> None:
    source = Source({"a": 1}, {"a": 2}, {"a": 3})
    response = respond(source)
    frames = iter(response.response)
    for _ in range(num_read):
        next(frames)
    assert not source.is_closed
    response.close()
    assert source.is_closed


def test_frames_go_out_as_their_events_come() -> None:
    produced = []

    def events() -> Events:
        for number in range(3):
            produced.append(number)
            yield {"n": number}

    frames = iter(event_stream_response(events(), as_api_error, PLAIN, Arrivals()).response)
    assert next(frames) == b'data: {"n":0}\n\n'
    assert produced == [0]
