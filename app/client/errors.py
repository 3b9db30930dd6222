"""What a server's failures mean, in words for who typed the command."""

from __future__ import annotations

import json
import socket
import ssl
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any

from app.client.address import ServerAddress
from app.terminal.escapes import one_line
from app.terminal.failures import CommandError

MAX_SHOWN = 500
# Where servers of different makes put their words.
PLACES = (("error", "message"), ("error",), ("detail",), ("message",))
ADVICE = {
    401: "Put the API key into OPENAI_API_KEY, or name another variable with --key-env.",
    403: "The API key is known but may not do this.",
    404: "openai-api models lists what the server has.",
    429: "The server limits how much is asked at once; try again later.",
}


class ServerError(CommandError):
    """The server did not answer, or refused. `kind` is the same for failures of the same cause."""

    def __init__(
        self, message: str, *, kind: str, advice: str = "", status: int | None = None
    ) -> None:
        super().__init__(message, advice=advice)
        self.kind = kind
        self.status = status


def refusal(status: int, body: bytes) -> ServerError:
    """An answer that is an HTTP error."""
    words = server_words(_parsed(body)) or _phrase(status)
    message = f"the server answered {status}: {words}"
    return ServerError(message, kind=f"HTTP {status}", advice=ADVICE.get(status, ""), status=status)


def unreachable(address: ServerAddress, error: Exception) -> ServerError:
    """No connection, or one that ended."""
    cause, kind = _cause(error)
    advice = ""
    if isinstance(error, (ConnectionRefusedError, socket.gaierror)):
        advice = "Is the server running, and is this its address? --url names another."
    elif kind == "not HTTP":
        advice = "Is this the port of an OpenAI-compatible server?"
    return ServerError(f"{address} {cause}", kind=kind, advice=advice)


def broken(message: str) -> ServerError:
    """An answer that is not what the API describes."""
    return ServerError(message, kind="unreadable answer")


def server_words(content: Any) -> str:
    """The server's own words of a failure, "" where there are none; safe for a terminal."""
    for place in PLACES:
        found = content
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, list):
            found = json.dumps(found)
        if isinstance(found, str) and found:
            return one_line(found)[:MAX_SHOWN]
    return ""


def _cause(error: Exception) -> tuple[str, str]:
    """What the address did, and a short name for it."""
    match error:
        case ConnectionRefusedError():
            return "refuses connections", "connection refused"
        case socket.gaierror():
            return "has a name that cannot be looked up", "unknown name"
        case TimeoutError():
            return "did not answer in time", "timeout"
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not trusted: {error.verify_message}", "certificate"
        case ssl.SSLError():
            return "does not speak TLS as this client does", "TLS"
        case IncompleteRead() | RemoteDisconnected():
            return "ended the connection", "connection broken"
        case HTTPException():
            return "does not answer as HTTP asks for", "not HTTP"
        case OSError():
            return f"broke the connection: {error.strerror or error}", "connection broken"
    return f"failed: {type(error).__name__}", "failed"


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no words"
