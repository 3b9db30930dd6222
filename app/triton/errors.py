"""Triton's failures as the error tree. Its own words go to the log, never to a client."""

from __future__ import annotations

import re

from app.errors import (
    ApiError,
    BackendError,
    BackendModelMissing,
    BackendTimeout,
    BackendUnavailable,
    ModelOverloaded,
)

UNAVAILABLE_TEXT = "the model's backend is not available at the moment; try again shortly"
MISSING_TEXT = "the model's backend does not have this model; tell the operator of this server"
TIMEOUT_TEXT = "the model's backend did not answer in time"
OVERLOADED_TEXT = "the model has too many requests waiting; try again shortly"
FAILED_TEXT = "the model's backend failed to answer this request"


class ContractMismatch(BackendError):
    """Triton refused the tensors before it ran anything: the model is not what it was."""


# Streams of older Tritons carry no status, and a full queue shares one with a dead server,
# so the words decide first.
BY_TEXT: tuple[tuple[re.Pattern[str], type[ApiError]], ...] = (
    (re.compile("Exceeds maximum queue size"), ModelOverloaded),
    (re.compile("Request timeout expired|Deadline Exceeded", re.I), BackendTimeout),
    (re.compile("unknown model|has no available versions"), BackendModelMissing),
    (
        re.compile("not at ready state|not ready|Server exiting|shutting down|is not healthy"),
        BackendUnavailable,
    ),
    (
        re.compile(
            "unexpected inference (in|out)put|data-type is|unexpected shape for|"
            "expected number of inputs|batch-size must be|batch size does not match"
        ),
        ContractMismatch,
    ),
)
BY_STATUS: dict[str, type[ApiError]] = {
    "NOT_FOUND": BackendModelMissing,
    "404": BackendModelMissing,
    "UNAVAILABLE": BackendUnavailable,
    "503": BackendUnavailable,
    "DEADLINE_EXCEEDED": BackendTimeout,
    "INVALID_ARGUMENT": ContractMismatch,
}
TEXTS: dict[type[ApiError], str] = {
    ModelOverloaded: OVERLOADED_TEXT,
    BackendTimeout: TIMEOUT_TEXT,
    BackendModelMissing: MISSING_TEXT,
    BackendUnavailable: UNAVAILABLE_TEXT,
    ContractMismatch: FAILED_TEXT,
    BackendError: FAILED_TEXT,
}

# What the gRPC clients say where nobody speaks HTTP/2, and the HTTP library of such an answer.
WRONG_PORTS = (
    (
        re.compile(
            r"failed to speak HTTP/2 with the server"
            r"|failed to connect to all addresses.*(Socket closed|http1\.x server)",
            re.S,
        ),
        "this looks like Triton's HTTP port; language models need its gRPC port",
    ),
    (
        re.compile("Expected HTTP/"),
        "this looks like Triton's gRPC port; embedding and rerank need its HTTP port",
    ),
)


def classify(status: str | None, text: str) -> ApiError:
    """The error of a Triton message. `status` is a gRPC code's name or an HTTP status, if any."""
    by_text = (kind for pattern, kind in BY_TEXT if pattern.search(text))
    kind = next(by_text, None) or BY_STATUS.get(status or "", BackendError)
    return kind(TEXTS[kind], detail=f"{status}: {with_port(text)}")


def with_port(text: str) -> str:
    """A library's words, with what they mean in front where a port of Triton is mistaken."""
    hint = next((hint for pattern, hint in WRONG_PORTS if pattern.search(text)), None)
    return f"{hint} ({text})" if hint else text


def unavailable(detail: str) -> BackendUnavailable:
    """Triton cannot be reached."""
    return BackendUnavailable(UNAVAILABLE_TEXT, detail=detail)


def timed_out(detail: str) -> BackendTimeout:
    """A deadline of ours has passed."""
    return BackendTimeout(TIMEOUT_TEXT, detail=detail)


def broken_contract(detail: str) -> BackendError:
    """Triton answered something that the model's contract does not allow."""
    return BackendError(FAILED_TEXT, detail=detail)


def is_transport_failure(error: ApiError) -> bool:
    """True where Triton may have been restarted meanwhile."""
    return isinstance(error, (BackendUnavailable, BackendTimeout))
