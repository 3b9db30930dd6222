"""The error tree: every failure that a client or an operator is told, as data."""

from __future__ import annotations

import copy
from dataclasses import dataclass

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    414: "invalid_request_error",
    415: "invalid_request_error",
    417: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    499: "client_closed_request",
    500: "server_error",
    501: "server_error",
    502: "server_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}

EXPLAINED_IN_LOG = (500, 502)


class ApiError(Exception):
    """A failure with an HTTP status and OpenAI's error object.

    `message` is for the client and never holds a backend's words, an address or a path.
    `detail` is for the log alone. `retry_after` is in seconds, None when a retry is not advised.
    If a backend `has_not_begun`, or there `is_broken_connection`, another may be asked.
    """

    status = 500
    code: str | None = None
    is_worth_retrying = True
    retry_after: int | None = None
    has_not_begun = False
    is_broken_connection = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.detail = detail

    @property
    def type(self) -> str:
        """OpenAI's error type, which follows the status."""
        fallback = "invalid_request_error" if self.status < 500 else "server_error"
        return ERROR_TYPES.get(self.status, fallback)

    def for_client(self, request_id: str) -> ApiError:
        """The error, which names the request if only the log explains what happened."""
        if self.status not in EXPLAINED_IN_LOG:
            return self
        # A copy, because waiting requests may share one failure.
        error = copy.copy(self)
        error.message = f"{self.message} (request id {request_id})"
        return error

    def as_dict(self) -> dict[str, dict[str, str | None]]:
        """OpenAI's error body, all four keys always there."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class InvalidRequest(ApiError):
    """The request itself is wrong; `param` names the field."""

    status = 400


class UnsupportedParameter(InvalidRequest):
    """A field that the API defines and this model cannot honour."""

    code = "unsupported_parameter"


class ContextLengthExceeded(InvalidRequest):
    """The prompt, or the prompt with what was asked for, is longer than the model's context."""

    code = "context_length_exceeded"


class ModelNotSupported(InvalidRequest):
    """The model exists and serves another kind of endpoint."""

    code = "model_not_supported"


class AuthenticationError(ApiError):
    """The request has no API key, or none that is known."""

    status = 401
    code = "invalid_api_key"


class NotFound(ApiError):
    """No such route."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """No model of that name is configured."""

    code = "model_not_found"


class MethodNotAllowed(ApiError):
    """The route exists, the verb does not."""

    status = 405
    code = "method_not_allowed"


class BodyTimeout(ApiError):
    """The request body did not arrive in time."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(ApiError):
    """The request body is over the limit."""

    status = 413
    code = "request_too_large"


class TargetTooLong(ApiError):
    """The request line is over the limit."""

    status = 414
    code = "uri_too_long"


class UnsupportedMediaType(ApiError):
    """The request body is not declared as plain JSON."""

    status = 415
    code = "unsupported_media_type"


class ExpectationFailed(ApiError):
    """The header Expect asks for something unknown."""

    status = 417
    code = "expectation_failed"


class ModelOverloaded(ApiError):
    """The model's own queue in this process, or in Triton, is full."""

    status = 429
    code = "model_overloaded"
    retry_after = 1


class RateLimitExceeded(ApiError):
    """The API key has used up one of its limits."""

    status = 429
    code = "rate_limit_exceeded"
    retry_after = 1


class HeadersTooLarge(ApiError):
    """The request has too many header fields, or too large ones."""

    status = 431
    code = "headers_too_large"


class ClientDisconnected(ApiError):
    """The client went away; nobody reads the answer, the log keeps the status."""

    status = 499
    code = "client_disconnected"


class InternalError(ApiError):
    """A bug of ours."""

    status = 500
    code = "internal_error"
    is_worth_retrying = False


class TransferCodingUnknown(ApiError):
    """The body is encoded in a way that is not known here."""

    status = 501
    code = "unknown_transfer_coding"
    is_worth_retrying = False


class BackendError(ApiError):
    """Triton or its model failed, or answered something that breaks the contract."""

    status = 502
    code = "backend_error"
    is_worth_retrying = False


class BackendUnavailable(ApiError):
    """Triton cannot be reached or is not ready."""

    status = 503
    code = "backend_unavailable"
    retry_after = 1


class ServerOverloaded(ApiError):
    """This process has as many open requests as it takes."""

    status = 503
    code = "server_overloaded"
    retry_after = 1


class BackendModelMissing(BackendUnavailable):
    """Triton runs and does not have the model: the configuration is wrong, not the request."""

    code = "backend_model_missing"


class BackendTimeout(ApiError):
    """Triton did not answer within the deadline."""

    status = 504
    code = "backend_timeout"
    is_worth_retrying = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: where it is, what is wrong, and what to do."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigurationError(Exception):
    """Every problem of a configuration or of the settings, all at once.

    `advice` is what the problems together mean, for the terminal.
    """

    def __init__(self, problems: list[Problem], advice: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.advice = advice
