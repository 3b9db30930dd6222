"""The server's numbers for Prometheus: https://prometheus.io/docs/practices/naming/

Call these functions on the event loop, not in a native thread: they share locks. What requests of
models came to is in `request_metrics`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.errors import ApiError, BackendError, BackendTimeout, BackendUnavailable
from app.observability import instruments, request_metrics
from app.observability.instruments import (
    UNKNOWN,
    child,
    counter,
    gauge,
    histogram,
    model_label,
)
from app.tally import Tally
from app.version import VERSION

CLIENT_GONE = request_metrics.CLIENT_GONE
BREAKER_STATES = ("closed", "half_open", "open")
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
QUEUE_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5)

_requests = counter("requests_total", "Answered requests", "route", "model", "status")
_seconds = histogram(
    "request_duration_seconds", "From request to last byte", REQUEST_SECONDS, "route", "model"
)
_queue_wait = histogram(
    "queue_wait_seconds", "Wait for a place among the running", QUEUE_SECONDS, "model"
)
_unknown_fields = counter("unknown_fields_total", "Fields of requests that change nothing", "route")
_backend_errors = counter("backend_errors_total", "Failures of Triton", "model", "kind")
_backend_retries = counter("backend_retries_total", "Calls sent again", "model")
_breaker = gauge(
    "backend_breaker_state",
    "0 closed, 1 half open, 2 open; the highest of the workers",
    "model",
    "replica",
    of_workers="livemax",
)
_backends = gauge("backends", "Tritons of a model", "model", of_workers="livemax")
_backends_ready = gauge(
    "backends_ready",
    "Tritons that are ready; the fewest of the workers",
    "model",
    of_workers="livemin",
)
_running = gauge("requests_running", "Requests that have a place", "model")
_waiting = gauge("requests_waiting", "Requests that wait for a place", "model")
_max_running = gauge("max_requests_running", "Most requests that may have a place", "model")
_max_waiting = gauge("max_requests_waiting", "Most requests that may wait for one", "model")
_open = gauge("open_requests", "Requests that are being answered")
_connections = gauge("open_connections", "Connections of clients")
_max_connections = gauge("max_connections", "Most connections that there may be")
_lag = histogram("event_loop_lag_seconds", "Lateness of a timer of 50 ms", LAG_SECONDS)
_build = gauge("build_info", "The version of the server", "version", "python", of_workers="livemax")
_build.labels(VERSION, platform.python_version()).set(1)


@dataclass(frozen=True, slots=True)
class Answered:
    """One request whose response is closed, in seconds of the monotonic clock.

    `status` is what it came to: of a stream that failed that of its error, and 499 where the
    client went away.
    """

    route: str | None
    model: str
    status: int
    started: float
    ended: float
    tally: Tally = field(default_factory=Tally)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    @property
    def first_token(self) -> float | None:
        """Seconds from its beginning to its first token."""
        first = self.tally.first_token_at
        return None if first is None else first - self.started

    @property
    def prompt_tokens(self) -> int:
        """Those of all its prompts."""
        return self.tally.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Those of all its choices."""
        return self.tally.completion_tokens


def set_models(names: Iterable[str]) -> None:
    """The configured models: their counters begin at 0, and no others become labels."""
    for name in instruments.set_models(names):
        request_metrics.begin_models([name])
        child(_backend_retries, name)


def request_opened() -> None:
    """A request has come; `request_closed` must follow."""
    _open.inc()


def request_closed() -> None:
    """The response of a request is closed."""
    _open.dec()


def request_answered(answered: Answered) -> None:
    """Count one request."""
    route, model = answered.route or UNKNOWN, model_label(answered.model)
    child(_requests, route, model, answered.status).inc()
    child(_seconds, route, model).observe(answered.seconds)
    if answered.status == CLIENT_GONE and model != UNKNOWN:
        request_metrics.request_cancelled(model)
    request_metrics.settle(answered.tally, answered.started, answered.ended, answered.status)


def request_queued(model: str, seconds: float) -> None:
    """A request has got its place after so long."""
    child(_queue_wait, model).observe(seconds)


def fields_ignored(route: str | None, num_fields: int) -> None:
    """A request of a registered route has so many fields that nobody knows."""
    child(_unknown_fields, route or UNKNOWN).inc(num_fields)


def request_failed(model: str, error: ApiError) -> None:
    """Count the failure if it is the backend's; its `code` is the kind."""
    if isinstance(error, (BackendError, BackendUnavailable, BackendTimeout)):
        child(_backend_errors, model_label(model), error.code or UNKNOWN).inc()


def backend_retried(model: str) -> None:
    """A call to Triton was sent once more."""
    child(_backend_retries, model).inc()


def breaker_changed(model: str, replica: int, state: str) -> None:
    """The breaker of a model's Triton is in one of BREAKER_STATES.

    `replica` is its place among the addresses that were found, and another when these change.
    """
    child(_breaker, model, replica).set(BREAKER_STATES.index(state))


def backends_asked(model: str, num_ready: int, num_backends: int) -> None:
    """So many of a model's Tritons have said that they are ready.

    Of a model that is configured no more nothing is noted: they may have been asked before.
    """
    if instruments.model_label(model) != model:
        return
    child(_backends, model).set(num_backends)
    child(_backends_ready, model).set(num_ready)


def model_load(model: str, num_running: int, num_waiting: int) -> None:
    """How many requests of a model have a place in this process, and how many wait for one."""
    child(_running, model).set(num_running)
    child(_waiting, model).set(num_waiting)


def model_limits(model: str, max_running: int, max_waiting: int) -> None:
    """How many there may be of each."""
    child(_max_running, model).set(max_running)
    child(_max_waiting, model).set(max_waiting)


def connections(num_open: int, max_open: int) -> None:
    """How many connections this process has, also idle ones, and how many it may have."""
    _connections.set(num_open)
    _max_connections.set(max_open)


def event_loop_lagged(seconds: float) -> None:
    """A timer of this process was so late."""
    _lag.observe(seconds)
