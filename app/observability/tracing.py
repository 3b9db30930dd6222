"""Where the time of a request goes, told to OpenTelemetry if TRACING says so.

Without it nothing of OpenTelemetry is loaded, and each function here ends at its first line.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.errors import ConfigurationError, Problem
from app.settings import Settings
from app.types import RequestContext

if TYPE_CHECKING:
    from app.observability.spans import RequestTrace, Tracing

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# The only values that can be honoured here.
ALLOWED = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}

_tracing: Tracing | None = None
# That of the request whose view runs here; a stream's later parts have it in their context.
_current: ContextVar[RequestTrace | None] = ContextVar("trace", default=None)


def check(settings: Settings) -> None:
    """See whether requests can be traced as the settings say.

    Raises:
        ConfigurationError: they cannot, and why.
    """
    if not settings.tracing:
        return
    problems = [
        Problem(name, f"must be {value} or not set, but is {os.environ[name]!r}")
        for name, value in ALLOWED.items()
        if os.environ.get(name, value) != value
    ]
    if not all(map(_is_installed, NEEDED)):
        problems.append(
            Problem("TRACING", "needs packages: install openai_api[tracing], or unset it")
        )
    if problems:
        raise ConfigurationError(problems)


def configure(settings: Settings) -> None:
    """Trace requests from now on, if the settings say so, until the process ends.

    Raises:
        ConfigurationError: they say so, and it cannot be done.
    """
    global _tracing
    check(settings)
    if not settings.tracing:
        _tracing = None
        if any(os.environ.get(name) for name in ENDPOINTS):
            log.warning("%s is set, and TRACING is not: nothing is traced", ENDPOINTS[0])
        return
    from app.observability.spans import Tracing

    _tracing = Tracing()
    atexit.register(_tracing.end)


def begin(
    request_id: str, method: str, route: str | None, environ: Mapping[str, Any]
) -> RequestTrace | None:
    """Follow the request of this WSGI environment; None where nothing is traced."""
    if _tracing is None:
        return None
    trace = _tracing.begin(request_id, method, route, environ)
    _current.set(trace)
    return trace


def leave() -> None:
    """The request's view is over."""
    if _tracing is not None:
        _current.set(None)


def step(name: str) -> AbstractContextManager[None]:
    """What is done inside is a step of the current request."""
    trace = _current.get() if _tracing is not None else None
    return nullcontext() if trace is None else _timed(trace, name)


def stepped(name: str, begun: int) -> None:
    """A step of the current request that began at `begun`, in Unix nanoseconds, is done."""
    trace = _current.get() if _tracing is not None else None
    if trace is not None:
        trace.stepped(name, begun)


def carried(function: Callable[P, T]) -> Callable[P, T]:
    """The same function for another thread, where its steps are still the current request's."""
    trace = _current.get() if _tracing is not None else None
    if trace is None:
        return function

    @functools.wraps(function)
    def there(*args: P.args, **kwargs: P.kwargs) -> T:
        _current.set(trace)
        try:
            return function(*args, **kwargs)
        finally:
            _current.set(None)

    return there


@contextmanager
def model_call(
    context: RequestContext, operation: str, model: str, num_tokens: int
) -> Iterator[RequestContext]:
    """What is asked inside, with this context, is one call of a model that answers as a whole."""
    if context.trace is None:
        yield context
        return
    call = context.trace.call(operation, model, {"gen_ai.usage.input_tokens": num_tokens})
    try:
        yield replace(context, trace=call)
    except BaseException as error:
        call.end(error)
        raise
    call.end()


@contextmanager
def _timed(trace: RequestTrace, name: str) -> Iterator[None]:
    begun = time.time_ns()
    try:
        yield
    finally:
        trace.stepped(name, begun)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
