"""How a gRPC call ended: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from app.triton.grpc_client import frames

# https://grpc.github.io/grpc/core/md_doc_statuscodes.html, by their numbers.
CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
# https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
BY_HTTP_STATUS = {
    "400": "INTERNAL",
    "401": "UNAUTHENTICATED",
    "403": "PERMISSION_DENIED",
    "404": "UNIMPLEMENTED",
    "429": "UNAVAILABLE",
    "502": "UNAVAILABLE",
    "503": "UNAVAILABLE",
    "504": "UNAVAILABLE",
}
BY_RESET = {
    frames.REFUSED_STREAM: "UNAVAILABLE",
    frames.CANCEL: "CANCELLED",
    frames.ENHANCE_YOUR_CALM: "RESOURCE_EXHAUSTED",
    frames.INADEQUATE_SECURITY: "PERMISSION_DENIED",
}


@dataclass(frozen=True, slots=True)
class Status:
    """A code's name and the words that came with it.

    The server has not looked at a call that `is_unprocessed`, so it can be made again elsewhere.
    """

    code: str
    text: str = ""
    is_unprocessed: bool = False


def status_of(fields: Mapping[str, str], http_status: str) -> Status:
    """The status that a call's last fields tell, by HTTP's where they have none."""
    told = fields.get("grpc-status")
    text = unquote(fields.get("grpc-message", ""), errors="replace")
    if told is None:
        code = BY_HTTP_STATUS.get(http_status, "UNKNOWN")
        return Status(code, f"HTTP status {http_status} and no grpc-status")
    known = told.isascii() and told.isdigit() and int(told) < len(CODES)
    return Status(CODES[int(told)] if known else "UNKNOWN", text)


def status_of_reset(code: int) -> Status:
    """The status of a stream that the peer has reset."""
    text = f"the stream was reset with code {code}"
    return Status(BY_RESET.get(code, "INTERNAL"), text, code == frames.REFUSED_STREAM)
