"""The server's numbers for Prometheus: https://prometheus.io/docs/practices/naming/

Values of labels come from the configuration and from lists in the code, never from a request. Call
these functions on the event loop, not in a native thread: they share locks.
"""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)

from app.errors import ApiError, BackendError, BackendTimeout, BackendUnavailable
from app.observability.worker_files import SLOT
from app.version import VERSION

# A route or a model that is none of ours.
UNKNOWN = "-"
CLIENT_GONE = 499
# Of what is kept ready; there may be more series.
MAX_CHILDREN = 4096
BREAKER_STATES = ("closed", "half_open", "open")
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
FIRST_TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
QUEUE_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5)

WORKER = os.environ.get(SLOT, "0")
if SLOT in os.environ:
    # By the worker's slot, not by its process id: files must not pile up.
    values.ValueClass = values.MultiProcessValue(lambda: WORKER)  # type: ignore[no-untyped-call]  # the library has no types here
# The files of several processes know no such series; one process alone should not differ.
disable_created_metrics()  # type: ignore[no-untyped-call]  # likewise

REGISTRY = CollectorRegistry()


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"openai_api_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"openai_api_{name}", text, labels, registry=REGISTRY, buckets=buckets)


def _gauge(
    name: str, text: str, *labels: str, of_workers: Literal["livesum", "livemax"] = "livesum"
) -> Gauge:
    """A gauge of the living workers, by default their sum."""
    return Gauge(
        f"openai_api_{name}", text, labels, registry=REGISTRY, multiprocess_mode=of_workers
    )


_requests = _counter("requests_total", "Answered requests", "route", "model", "status")
_seconds = _histogram(
    "request_duration_seconds", "From request to last byte", REQUEST_SECONDS, "route", "model"
)
_first_token = _histogram(
    "time_to_first_token_seconds", "From request to first token", FIRST_TOKEN_SECONDS, "model"
)
_queue_wait = _histogram(
    "queue_wait_seconds", "Wait for a place among the running", QUEUE_SECONDS, "model"
)
_prompt_tokens = _counter("prompt_tokens_total", "Prompt tokens", "model")
_completion_tokens = _counter("completion_tokens_total", "Generated tokens", "model")
_cancelled = _counter("cancelled_total", "Requests whose client went away", "model")
_backend_errors = _counter("backend_errors_total", "Failures of Triton", "model", "kind")
_backend_retries = _counter("backend_retries_total", "Calls sent again", "model")
_breaker = _gauge(
    "backend_breaker_state",
    "0 closed, 1 half open, 2 open; the highest of the workers",
    "model",
    "replica",
    of_workers="livemax",
)
_running = _gauge("requests_running", "Requests that have a place", "model")
_waiting = _gauge("requests_waiting", "Requests that wait for a place", "model")
_open = _gauge("open_requests", "Requests that are being answered")
_lag = _histogram("event_loop_lag_seconds", "Lateness of a timer of 50 ms", LAG_SECONDS)
_build = _gauge(
    "build_info", "The version of the server", "version", "python", of_workers="livemax"
)
_build.labels(VERSION, platform.python_version()).set(1)

_models: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answered:
    """One request whose response is closed.

    `status` is what it came to: of a stream that failed that of its error, and 499 where the
    client went away. `first_token` and `seconds` count from its beginning.
    """

    route: str | None
    model: str
    status: int
    seconds: float
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token: float | None = None


def set_models(names: Iterable[str]) -> None:
    """The configured models: their counters begin at 0, and no others become labels."""
    global _models
    _models = frozenset(names)
    for name in _models:
        for counter in (_prompt_tokens, _completion_tokens, _cancelled, _backend_retries):
            counter.labels(name)


def request_opened() -> None:
    """A request has come; `request_closed` must follow."""
    _open.inc()


def request_closed() -> None:
    """The response of a request is closed."""
    _open.dec()


def request_answered(answered: Answered) -> None:
    """Count one request."""
    route, model = answered.route or UNKNOWN, _label(answered.model)
    _child(_requests, route, model, answered.status).inc()
    _child(_seconds, route, model).observe(answered.seconds)
    if model == UNKNOWN:
        return
    _child(_prompt_tokens, model).inc(answered.prompt_tokens)
    _child(_completion_tokens, model).inc(answered.completion_tokens)
    if answered.first_token is not None:
        _child(_first_token, model).observe(answered.first_token)
    if answered.status == CLIENT_GONE:
        _child(_cancelled, model).inc()


def request_queued(model: str, seconds: float) -> None:
    """A request has got its place after so long."""
    _child(_queue_wait, model).observe(seconds)


def request_failed(model: str, error: ApiError) -> None:
    """Count the failure if it is the backend's; its `code` is the kind."""
    if isinstance(error, (BackendError, BackendUnavailable, BackendTimeout)):
        _child(_backend_errors, _label(model), error.code or UNKNOWN).inc()


def backend_retried(model: str) -> None:
    """A call to Triton was sent once more."""
    _child(_backend_retries, model).inc()


def breaker_changed(model: str, replica: int, state: str) -> None:
    """The breaker of a model's Triton, by its place in `url`, is in one of BREAKER_STATES."""
    _child(_breaker, model, replica).set(BREAKER_STATES.index(state))


def model_load(model: str, num_running: int, num_waiting: int) -> None:
    """How many requests of a model have a place in this process, and how many wait for one."""
    _child(_running, model).set(num_running)
    _child(_waiting, model).set(num_waiting)


def event_loop_lagged(seconds: float) -> None:
    """A timer of this process was so late."""
    _lag.observe(seconds)


@functools.lru_cache(MAX_CHILDREN)
def _child(metric: Counter | Gauge | Histogram, *labels: Any) -> Any:
    """`metric.labels`, which takes as long as counting."""
    return metric.labels(*labels)


def _label(model: str) -> str:
    return model if model in _models else UNKNOWN
