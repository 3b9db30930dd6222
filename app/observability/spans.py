"""Requests as spans: the only importer of opentelemetry.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and
https://github.com/open-telemetry/semantic-conventions-genai. No attribute holds what was asked or
answered, nor Triton's words.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    OTEL_RESOURCE_ATTRIBUTES,
    OTEL_SERVICE_NAME,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from app.errors import ApiError, ClientDisconnected
from app.observability.log_fields import trace_ids
from app.observability.metrics import CLIENT_GONE, Answered
from app.tally import Tally
from app.version import VERSION

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
MEMBER = r"[a-z0-9*/_@ \t-]*=[!-+\--<>-~ ]*"
# A comma only stands between two of them: where it could be in one, too, matching takes for ever.
TRACESTATE = re.compile(rf"[a-z0-9]{MEMBER}(,([ \t]*|{MEMBER})){{0,31}}")
MAX_TRACESTATE = 512
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})
MAX_TEXT = 256
# Of one request, so that nothing it asks for makes more.
MAX_STEPS = 64
# Making a message of so many takes the event loop some milliseconds.
BATCH_SIZE = 128
LAST_SECONDS = 2.0
NANOSECONDS = 1_000_000_000


class Tracing:
    """What turns requests into spans and sends them. It reads OpenTelemetry's own variables.

    Spans wait in a queue of a bounded length for a thread that sends them, a greenlet where the
    host has these; when the collector is away, the oldest are dropped.
    """

    def __init__(self) -> None:
        size = None if OTEL_BSP_MAX_EXPORT_BATCH_SIZE in os.environ else BATCH_SIZE
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(), max_export_batch_size=size)
        )
        self._tracer = self._provider.get_tracer("openai_api", VERSION)

    def begin(
        self, request_id: str, method: str, route: str | None, environ: Mapping[str, Any]
    ) -> RequestTrace:
        """The trace of a request: the client's, if it has one, or a new one."""
        parent = _remote(environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_TRACESTATE"))
        known = method if method in METHODS else "HTTP"
        span = self._tracer.start_span(
            f"{known} {route}" if route else known,
            context=None if parent is None else set_span_in_context(NonRecordingSpan(parent)),
            kind=SpanKind.SERVER,
            attributes=_of_request(method, route, environ) | {"openai_api.request_id": request_id},
        )
        trace = RequestTrace(self._tracer, span)
        trace_ids[request_id] = trace.trace_id
        trace.forget = lambda: _forget(request_id, trace.trace_id)
        return trace

    def end(self) -> None:
        """Send what is still there, for at most LAST_SECONDS."""
        # It has no limit of its own that holds while the collector hangs.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        try:
            ending.start()
        except RuntimeError:
            # Python starts no more of them.
            self._provider.shutdown()
            return
        ending.join(LAST_SECONDS)


class SpanTrace:
    """One span, and the way to those below it."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        found = span.get_span_context()
        self.trace_id = f"{found.trace_id:032x}"
        self.traceparent = f"00-{self.trace_id}-{found.span_id:016x}-{found.trace_flags:02x}"

    def call(self, operation: str, model: str, attributes: Mapping[str, Any]) -> SpanTrace:
        """A call of a model begins below this."""
        if not self._span.is_recording():
            return self
        span = self._tracer.start_span(
            f"{operation} {model}",
            context=set_span_in_context(self._span),
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": "triton",
                "gen_ai.request.model": model,
                "gen_ai.response.model": model,
                **{name: value for name, value in attributes.items() if _fits(value)},
            },
        )
        return SpanTrace(self._tracer, span)

    def sent_to(self, host: str, port: int) -> None:
        """This Triton is asked; the last one counts."""
        self._span.set_attributes({"server.address": host, "server.port": port})
        self._span.add_event("sent")

    def note(self, attributes: Mapping[str, Any]) -> None:
        """Say this of it."""
        self._span.set_attributes(dict(attributes))

    def event(self, name: str) -> None:
        """This happens now."""
        self._span.add_event(name)

    def end(self, error: BaseException | None = None) -> None:
        """It is over, by this error if there is one; nobody's fault if the client has left."""
        if isinstance(error, (GeneratorExit, ClientDisconnected)):
            self._span.add_event("cancelled")
        elif error is not None:
            kind = error.code if isinstance(error, ApiError) else None
            self._fail(kind or type(error).__name__)
        self._span.end()

    def _fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class RequestTrace(SpanTrace):
    """The span of a whole request. Steps may be told by any thread."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        super().__init__(tracer, span)
        # Both clocks at the same moment.
        self._wall, self._monotonic = time.time_ns(), time.monotonic()
        self._steps: list[tuple[str, int, int]] = []
        self.forget: Any = None

    def stepped(self, name: str, begun: int) -> None:
        """A step that began at `begun`, in Unix nanoseconds, is done. It takes no lock."""
        if len(self._steps) < MAX_STEPS:
            self._steps.append((name, begun, time.time_ns()))

    def finish(self, answered: Answered, status: int, code: str | None) -> None:
        """The response with this HTTP status is closed; `code` is that of an error."""
        self._close()
        if not self._span.is_recording():
            return
        above = set_span_in_context(self._span)
        for name, begun, done in (*self._steps, *self._waiting(answered.tally, answered.ended)):
            self._tracer.start_span(name, context=above, start_time=begun).end(done)
        self._span.set_attribute("http.response.status_code", status)
        if answered.status == CLIENT_GONE:
            self._span.set_attribute("error.type", "client_gone")
        elif answered.status >= 500:
            self._fail(code or str(answered.status))
        elif code is not None:
            self._span.set_attribute("error.type", code)
        self._span.end()

    def drop(self) -> None:
        """There will be no response."""
        self._close()
        self._fail("no_response")
        self._span.end()

    def _close(self) -> None:
        if self.forget is not None:
            self.forget()

    def _waiting(self, tally: Tally, ended: float) -> list[tuple[str, int, int]]:
        if tally.asked_at is None:
            return []
        placed = ended if tally.placed_at is None else tally.placed_at
        return [("wait for a place", self._at(tally.asked_at), self._at(placed))]

    def _at(self, monotonic: float) -> int:
        """A time of the monotonic clock in Unix nanoseconds."""
        return self._wall + round((monotonic - self._monotonic) * NANOSECONDS)


def _forget(request_id: str, trace_id: str) -> None:
    # Two requests at once may say the same id of themselves.
    if trace_ids.get(request_id) == trace_id:
        del trace_ids[request_id]


def _fits(value: Any) -> bool:
    """Whether it can be sent: one integer of more than 64 bits would spoil the whole message."""
    return value is not None and (not isinstance(value, int) or abs(value) < 2**63)


def _remote(parent: str | None, state: str | None) -> SpanContext | None:
    """What the client says of its own trace; None for whatever is not as it should be.

    Later versions of the header are not known.
    """
    found = TRACEPARENT.fullmatch(parent or "")
    if found is None:
        return None
    is_sound = state and len(state) <= MAX_TRACESTATE and TRACESTATE.fullmatch(state)
    context = SpanContext(
        int(found[1], 16),
        int(found[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(found[3], 16)),
        trace_state=TraceState.from_header([state]) if is_sound and state else None,
    )
    return context if context.is_valid else None


def _of_request(method: str, route: str | None, environ: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "http.route": route,
        "url.path": _decoded(environ.get("PATH_INFO", ""))[:MAX_TEXT],
        "url.scheme": environ.get("wsgi.url_scheme"),
        "network.protocol.version": environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/"),
        "server.address": environ.get("SERVER_NAME"),
        # Of a Unix socket it is no number.
        "server.port": int(port) if (port := environ.get("SERVER_PORT", "")).isdecimal() else None,
        "client.address": environ.get("REMOTE_ADDR"),
        "user_agent.original": environ.get("HTTP_USER_AGENT", "")[:MAX_TEXT],
    }
    return {name: value for name, value in found.items() if value}


def _decoded(path: str) -> str:
    """A path of WSGI, which is bytes as if they were characters."""
    return path.encode("latin-1", "replace").decode(errors="replace")


def _resource() -> Resource:
    """This process. A name that OpenTelemetry's variables give it wins."""
    named = OTEL_SERVICE_NAME in os.environ
    named = named or "service.name=" in os.environ.get(OTEL_RESOURCE_ATTRIBUTES, "")
    name = {} if named else {"service.name": "openai_api"}
    return Resource.create({**name, "service.version": VERSION, "process.pid": os.getpid()})
