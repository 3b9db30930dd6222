"""Serving the metrics, on the server's own address or on one that is only theirs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from app import offload
from app.observability.exposition import CONTENT_TYPE, is_in_files, metrics_text
from app.observability.gauges import sample
from app.observability.worker_files import SLOT
from app.settings import Settings

log = logging.getLogger(__name__)

PATH = "/metrics"
# What the application itself answers there: connections to it are never short of these.
PROBES = ("/livez", "/readyz")
METHODS = ("GET", "HEAD")
NOT_FOUND = b"there is nothing but GET /metrics, /livez and /readyz at this address\n"

StartResponse = Callable[..., Any]
WsgiApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

# However many ask at once, the threads for long prompts are not all taken.
_one_at_a_time = threading.Lock()


def scrape(settings: Settings) -> bytes:
    """The metrics as they are now. Under gunicorn much of it happens off the event loop."""
    with _one_at_a_time:
        sample()
        return offload.run_if(is_in_files(), metrics_text, settings.has_vllm_metrics)


def register_metrics_address(app: Flask, settings: Settings) -> None:
    """Serve the metrics and the probes alone on the connections that came to METRICS_BIND."""
    if settings.metrics_bind is None:
        return
    if SLOT not in os.environ:
        log.warning(
            "METRICS_BIND needs gunicorn, which listens there: GET /metrics is nowhere served"
        )
    port = int(settings.metrics_bind.rpartition(":")[2])
    app.wsgi_app = MetricsAddress(app.wsgi_app, port, settings)  # type: ignore[method-assign]  # Flask's documented place for it


class MetricsAddress:
    """WSGI middleware that takes gunicorn's connections to `port` away from `application`.

    No request can say by itself where it came in. A write that stalls for `settings.body_timeout`
    seconds ends the connection.
    """

    def __init__(self, application: WsgiApplication, port: int, settings: Settings) -> None:
        self._application = application
        self._port = port
        self._settings = settings

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        connection = environ.get("gunicorn.socket")
        if connection is None or not self._is_ours(connection.getsockname()):
            return self._application(environ, start_response)
        if environ["PATH_INFO"] in PROBES and environ["REQUEST_METHOD"] in METHODS:
            return self._application(environ, start_response)
        connection.settimeout(self._settings.body_timeout)
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] not in METHODS:
            return _answer(start_response, "404 Not Found", "text/plain", NOT_FOUND)
        return _answer(start_response, "200 OK", CONTENT_TYPE, scrape(self._settings))

    def _is_ours(self, name: Any) -> bool:
        # That of a Unix socket is a text.
        return isinstance(name, tuple) and name[1] == self._port


def _answer(
    start_response: StartResponse, status: str, content_type: str, body: bytes
) -> Iterable[bytes]:
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]
