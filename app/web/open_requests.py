"""The requests that are open: how many there may be, and their end when the server stops.

A request is open until its response is closed, which for a stream is at its end, whoever ends it.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable

from flask import Flask, Response, g, request

from app import offload
from app.cancellation import Cancellation
from app.errors import ApiError, BackendUnavailable, ServerOverloaded

# Rules that are answered however many requests are open, and by a server that stops.
ALWAYS_ANSWERED = frozenset(
    {
        *("/health", "/livez", "/readyz", "/version", "/metrics"),
        *("/v1/models", "/v1/models/<path:name>"),
    }
)
# Of the connections: the others are for ALWAYS_ANSWERED.
SHARE = 0.9
# Seconds that a request gets to answer for itself once it is called off.
ANSWER_SECONDS = 0.5


class OpenRequest:
    """One of them. Closing it again does nothing."""

    def __init__(self, requests: OpenRequests) -> None:
        self._requests = requests
        self._task = offload.current_task()
        self._ended_at: float | None = None
        self.cancellation: Cancellation | None = None
        self.is_answered = False

    def close(self) -> None:
        """Its response is closed."""
        self._requests.remove(self)

    def end(self, reason: ApiError) -> None:
        """Call it off; if it does not answer then, fail it wherever it waits."""
        now = time.monotonic()
        # While its body was still arriving there was nothing yet to call off.
        is_called_off = self.cancellation is None or self.cancellation.is_cancelled
        if self._ended_at is None or not is_called_off:
            self._ended_at = now
            if self.cancellation is not None:
                self.cancellation.cancel(reason)
        elif not self.is_answered and now - self._ended_at > ANSWER_SECONDS:
            self._ended_at = now
            offload.fail_task(self._task, reason)


class OpenRequests:
    """Those of this process, of which `max_work` may be other than ALWAYS_ANSWERED."""

    def __init__(self, max_connections: int) -> None:
        self.max_work = max(int(max_connections * SHARE), 1)
        # Weak, so that a response that is dropped without being closed is not open for ever.
        self._open: weakref.WeakSet[OpenRequest] = weakref.WeakSet()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def add(self) -> OpenRequest:
        """One more."""
        added = OpenRequest(self)
        self._open.add(added)
        return added

    def remove(self, request: OpenRequest) -> None:
        """Called by a request that is closed."""
        self._open.discard(request)

    def end(self) -> None:
        """End all of them, those that wait with 503 and streams with its event.

        To be called again and again, because requests may come to where they can be called off.
        """
        for each in list(self._open):
            each.end(stopping())


def stopping() -> ApiError:
    """What requests are told by a server that stops."""
    return BackendUnavailable("the server is stopping; try again")


def register_open_requests(
    app: Flask, requests: OpenRequests, refuses_work: Callable[[], bool]
) -> None:
    """Count the requests of the application, and refuse what is too much or too late."""

    @app.before_request
    def begin() -> None:
        g.open_request = requests.add()
        if request.url_rule is None or request.url_rule.rule in ALWAYS_ANSWERED:
            return
        if refuses_work():
            raise stopping()
        if requests.count > requests.max_work:
            raise ServerOverloaded("the server has too many open requests; try again")

    @app.after_request
    def answer(response: Response) -> Response:
        opened: OpenRequest = g.open_request
        opened.is_answered = True
        response.call_on_close(opened.close)
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        opened: OpenRequest = g.open_request
        if error is not None or not opened.is_answered:
            # There is no response that will be closed.
            opened.close()
