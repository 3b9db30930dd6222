"""A collector of traces, as OpenTelemetry's is asked over HTTP, that keeps what it is sent."""

from __future__ import annotations

import base64
import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.live.waiting import wait_until

NANOSECONDS = 1e9
HEXADECIMAL = re.compile(r'"(traceId|spanId|parentSpanId)"\s*:\s*"([0-9a-f]*)"')


@dataclass(frozen=True)
class Received:
    """One span. Times are in Unix seconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    start: float
    end: float
    status: str
    attributes: dict[str, Any]
    events: dict[str, float]
    resource: dict[str, Any]


@dataclass
class Collector:
    """What was sent; it does not answer while it `hangs`."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)
    num_messages: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: bytes = b""
    goes_on: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        assert path == "/v1/traces", path
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.num_messages += 1
        self.headers.append(headers)
        self.raw += body
        message = _message(headers["content-type"], body)
        for resource in message.resource_spans:
            about = _values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_received(span, about) for span in scope.spans]

    def of(self, trace_id: str, root: str) -> dict[str, Received]:
        """The spans of a trace by their names, once the one that is called `root` is there."""
        wait_until(lambda: any(s.name == root for s in self._of(trace_id)), f"the span {root}")
        return {span.name: span for span in self._of(trace_id)}

    def _of(self, trace_id: str) -> list[Received]:
        return [span for span in list(self.spans) if span.trace_id == trace_id]


def _message(content_type: str, body: bytes) -> Any:
    """What was sent: by Triton as JSON, where ids are hexadecimal, which protobuf's are not."""
    if content_type.startswith("application/json"):
        text = HEXADECIMAL.sub(lambda found: f'"{found[1]}":"{_base64(found[2])}"', body.decode())
        return json_format.Parse(text, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    return ExportTraceServiceRequest.FromString(body)


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _received(span: Any, resource: dict[str, Any]) -> Received:
    return Received(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        start=span.start_time_unix_nano / NANOSECONDS,
        end=span.end_time_unix_nano / NANOSECONDS,
        status=span.status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        attributes=_values(span.attributes),
        events={event.name: event.time_unix_nano / NANOSECONDS for event in span.events},
        resource=resource,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(each) for each in found.values] if kind == "array_value" else found


@contextmanager
def collecting(*, hangs: bool = False) -> Iterator[Collector]:
    """A collector on a port of its own."""
    collector = Collector()
    if not hangs:
        collector.goes_on.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # http.server's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.goes_on.wait()
            headers = {name.lower(): value for name, value in self.headers.items()}
            collector.take(self.path, headers, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        collector.goes_on.set()
        server.shutdown()
        server.server_close()


def told_to(collector: Collector, **more: str) -> dict[str, str]:
    """The variables of a server that sends its traces there, soon."""
    return {
        "TRACING": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        **more,
    }
