"""Triton's failures as the error tree. Its own words go to the log, never to a client."""

from __future__ import annotations

import re
import time

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


class ModelNotReady(BackendUnavailable):
    """Triton runs, and says that this model cannot serve."""


class BackendSilent(BackendTimeout):
    """Triton has said nothing for too long, and may be no more."""


class DeadlinePassed(BackendTimeout):
    """A limit of ours for the whole request has passed, which says nothing of Triton."""


# What Triton puts before its words. What follows is compared from its first character on: a
# model's own errors repeat what users sent, and must not pass for Triton's.
BEFORE = (
    r"(?:\[request id: [^\]]{0,160}\] |in ensemble '[^']{0,256}', "
    r"|Failed to process the request\(s\) for model instance '[^']{0,256}', message: (?=Stub ))*"
)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(BEFORE + f"(?:{pattern})", re.I)


# Streams of older Tritons carry no status, and a full queue shares one with a dead server,
# so the words decide first.
BY_WORDS: tuple[tuple[re.Pattern[str], type[ApiError]], ...] = (
    (_words("Exceeds maximum queue size"), ModelOverloaded),
    (_words("Request timeout expired|Deadline Exceeded"), BackendTimeout),
    (
        _words(
            r"Server (?:is )?(?:not ready|exiting|stopping)"
            r"|GRPC server is shutting down"
            r"|Request for unknown model: '[^']{1,256}'[^']{0,64}is not at ready state"
            r"|Model version not ready"
            r"|Stub process '[^']{1,256}' is not healthy\.?\s*$"
        ),
        ModelNotReady,
    ),
    (_words("Request for unknown model: '"), BackendModelMissing),
)
# Whoever forges these has the model's configuration read once more.
MISMATCH = re.compile(
    "unexpected inference (in|out)put|data-type is|unexpected shape for|"
    "expected number of inputs|batch-size must be|batch size does not match"
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
    ModelNotReady: UNAVAILABLE_TEXT,
    ContractMismatch: FAILED_TEXT,
    BackendError: FAILED_TEXT,
}

# By its own words Triton has not run anything.
REFUSALS = (ModelOverloaded, BackendModelMissing, ModelNotReady)

# What the gRPC clients say where nobody speaks HTTP/2, and the HTTP library of such an answer.
WRONG_PORTS = (
    (
        re.compile(
            r"failed to speak HTTP/2 with the server"
            r"|failed to connect to all addresses.*(Socket closed|http1\.x server)",
            re.S,
        ),
        "this looks like Triton's HTTP or metrics port; language models need its gRPC port",
    ),
    (
        re.compile("Expected HTTP/"),
        "this looks like Triton's gRPC port; embedding and rerank need its HTTP port",
    ),
)


def classify(status: str | None, text: str) -> ApiError:
    """The error of a Triton message. `status` is a gRPC code's name or an HTTP status, if any."""
    by_words = (kind for pattern, kind in BY_WORDS if pattern.match(text))
    kind = next(by_words, None) or (ContractMismatch if MISMATCH.search(text) else None)
    kind = kind or BY_STATUS.get(status or "", BackendError)
    error = kind(TEXTS[kind], detail=f"{status}: {with_port(text)}")
    error.has_not_begun = isinstance(error, REFUSALS)
    return error


def with_port(text: str) -> str:
    """A library's words, with what they mean in front where a port of Triton is mistaken."""
    hint = next((hint for pattern, hint in WRONG_PORTS if pattern.search(text)), None)
    return f"{hint} ({text})" if hint else text


def unavailable(detail: str) -> BackendUnavailable:
    """Triton cannot be reached."""
    return BackendUnavailable(UNAVAILABLE_TEXT, detail=detail)


def not_ready(model: str) -> ModelNotReady:
    """Triton says that it has no such model, or that it is not ready."""
    detail = f"Triton has no model {model!r} that is ready"
    error = ModelNotReady("the model is not ready in its Triton", detail=detail)
    error.has_not_begun = True
    return error


def unreached(detail: str) -> BackendUnavailable:
    """There is no connection to Triton, so that it cannot have begun."""
    error = unavailable(detail)
    error.has_not_begun = True
    return error


def broken_connection(detail: str) -> BackendUnavailable:
    """The connection to Triton has ended before its answer."""
    error = unavailable(detail)
    error.is_broken_connection = True
    return error


def timed_out(detail: str) -> DeadlinePassed:
    """A deadline of ours has passed."""
    return DeadlinePassed(TIMEOUT_TEXT, detail=detail)


def silent(detail: str) -> BackendSilent:
    """Triton was waited for in vain."""
    return BackendSilent(TIMEOUT_TEXT, detail=detail)


def seconds_left(most: float, deadline: float | None) -> float:
    """At most `most` seconds, and no more than until `deadline` of the monotonic clock.

    Raises:
        BackendTimeout: there are none left.
    """
    left = most if deadline is None else min(most, deadline - time.monotonic())
    if left <= 0:
        raise timed_out("the request's own time is over")
    return left


def broken_contract(detail: str) -> BackendError:
    """Triton answered something that the model's contract does not allow."""
    return BackendError(FAILED_TEXT, detail=detail)


def is_backend_failure(error: ApiError) -> bool:
    """True where Triton is at fault, not the request, its client or a limit of a queue."""
    return isinstance(error, (BackendUnavailable, BackendSilent))


def is_definite_failure(error: ApiError) -> bool:
    """True where Triton itself says that it does not serve the model."""
    return isinstance(error, (BackendModelMissing, ModelNotReady))
