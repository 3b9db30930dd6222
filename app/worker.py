"""gunicorn's worker for gevent, whose own answers are JSON and whose connections end cleanly.

gunicorn's master loads it before gevent patches, so of the application it imports little.
"""

from __future__ import annotations

import json
import logging
import socket
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker

from app.errors import (
    ApiError,
    ExpectationFailed,
    HeadersTooLarge,
    InternalError,
    InvalidRequest,
    TargetTooLong,
    TransferCodingUnknown,
)
from app.observability.log_fields import about

log = logging.getLogger(__name__)

# A body that nobody has read is read on so far and so long, in bytes and seconds, that the
# connection can serve the next request.
MAX_REST = 64 * 1024
REST_SECONDS = 1.0
# How long a client may still send when its connection is about to be closed.
LINGER_SECONDS = 2.0
CHUNK = 64 * 1024
# Above this share of a worker's connections they are needed for others, so that a client gets this
# long, in seconds, for either.
CROWDED_SHARE = 0.9
CROWDED_SECONDS = 0.01

# What a client is told of each of gunicorn's errors; the first kind that fits is taken. None
# repeats what was sent.
TOLD: Mapping[type[Exception], ApiError] = {
    errors.LimitRequestLine: TargetTooLong("the request line has more than 4094 bytes"),
    errors.LimitRequestHeaders: HeadersTooLarge(
        "the request has more than 100 header fields, or one of more than 8190 bytes"
    ),
    errors.ExpectationFailed: ExpectationFailed("Expect may only be 100-continue"),
    errors.UnsupportedTransferCoding: TransferCodingUnknown("Transfer-Encoding must be chunked"),
    errors.InvalidRequestMethod: InvalidRequest("the request's method is not one of HTTP"),
    errors.InvalidHTTPVersion: InvalidRequest("the request must be HTTP/1.1 or HTTP/1.0"),
    errors.InvalidRequestLine: InvalidRequest("the request line is malformed"),
    errors.ObsoleteFolding: InvalidRequest("a header field must be on one line"),
    errors.InvalidHeaderName: InvalidRequest(
        "a header's name must be letters, digits and dashes, and be allowed where it is"
    ),
    errors.InvalidHeader: InvalidRequest(
        "a header field is malformed, is there twice, or contradicts another"
    ),
}
# Of a response, so they are no client's fault.
OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
UNREADABLE = InvalidRequest("the request cannot be read as HTTP")


class Worker(GeventWorker):
    """GeventWorker with JSON for its errors, and without answers to what nobody asked.

    It has `num_connections` now, also idle ones.
    """

    num_connections = 0

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection to its end."""
        self.num_connections += 1
        try:
            super().handle(listener, client, addr)
        finally:
            self.num_connections -= 1

    def handle_request(self, listener_name: Any, req: Request, sock: Any, addr: Any) -> Any:
        """Serve one request. Raises StopIteration if it was the connection's last."""
        is_last = False
        try:
            super().handle_request(listener_name, req, sock, addr)
        except StopIteration:
            is_last = True
        except TimeoutError:
            log.info("a connection was closed: its client has stopped reading")
            raise StopIteration from None
        if not _is_read(req, sock, self._at_most(REST_SECONDS)):
            _linger(sock, self._at_most(LINGER_SECONDS))
            is_last = True
        if is_last:
            raise StopIteration
        # The application's limit for a body; the next request's head has gunicorn's own.
        sock.settimeout(None)
        return True

    def handle_error(self, req: Request | None, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is not HTTP, or what failed outside the application; then close."""
        request_id = uuid.uuid4().hex
        error = told(exc)
        if error.status == InternalError.status:
            log.error("%s: internal error", request_id, exc_info=exc, extra=about(request_id))
        else:
            name, extra = type(exc).__name__, about(request_id, status=error.status)
            log.info("%s: %d: not readable: %s", request_id, error.status, name, extra=extra)
        try:
            client.settimeout(LINGER_SECONDS)
            client.sendall(answer(error.for_client(request_id), request_id))
        except OSError:
            return
        _linger(client, self._at_most(LINGER_SECONDS))

    def _at_most(self, seconds: float) -> float:
        """`seconds`, or next to none where connections are short."""
        is_crowded = self.num_connections > CROWDED_SHARE * self.worker_connections
        return CROWDED_SECONDS if is_crowded else seconds


def told(exc: BaseException) -> ApiError:
    """What a client is told of an error that the application has not seen."""
    if isinstance(exc, OURS) or not isinstance(exc, errors.ParseException):
        return InternalError("internal error")
    return next((error for kind, error in TOLD.items() if isinstance(exc, kind)), UNREADABLE)


def answer(error: ApiError, request_id: str) -> bytes:
    """A whole HTTP response, after which the connection is closed."""
    body = json.dumps(error.as_dict(), separators=(",", ":"))
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"x-request-id: {request_id}",
        "openai-processing-ms: 0",
    )
    return "\r\n".join((*head, "", body)).encode("ascii")


def _is_read(req: Request, sock: Any, seconds: float) -> bool:
    """Whether the connection is at the end of the request, after reading a short rest of it."""
    if req.body.failed or getattr(req.body.reader, "length", 0) > MAX_REST:
        return False
    deadline = time.monotonic() + seconds
    try:
        for _ in range(0, MAX_REST, CHUNK // 16):
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            if not req.body.read(CHUNK // 16):
                return True
    except Exception:  # broken chunks, a client that is gone or does not send: all the same here
        return False
    return False


def _linger(sock: Any, seconds: float) -> None:
    """Read on for a moment: closing with bytes unread would take the answer from the client.

    RFC 9112, section 9.6.
    """
    deadline = time.monotonic() + seconds
    try:
        sock.shutdown(socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            if not sock.recv(CHUNK):
                return
            # A client that sends without a pause must not hold the event loop.
            time.sleep(0)
    except OSError:
        return
