"""gunicorn's worker: what it tells of gunicorn's errors. What it does is in tests/hostile."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest
from gunicorn.http import errors

from app.errors import InternalError
from app.worker import answer, told

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, Exception)
    and kind is not errors.NoMoreData
    and not issubclass(kind, (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName))
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_of_gunicorn_has_its_words(kind: type[Exception]) -> None:
    head, body = answer(told(kind.__new__(kind)), "mine-1").split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4") or b"501 Not Implemented" in head
    assert b"x-request-id: mine-1" in head.split(b"\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("canary"),
        SystemExit(1),
        errors.InvalidResponseHeader("canary"),
        errors.InvalidResponseHeaderName("canary"),
    ],
)
def test_what_is_not_the_clients_fault_is_500(error: BaseException) -> None:
    found = told(error)
    assert isinstance(found, InternalError)
    assert "canary" not in found.message


def test_the_limits_that_it_names_are_gunicorns() -> None:
    from gunicorn.config import Config

    settings = Config()
    assert str(settings.limit_request_line) in told(errors.LimitRequestLine(1)).message
    words = told(errors.LimitRequestHeaders("")).message
    assert str(settings.limit_request_fields) in words
    assert str(settings.limit_request_field_size) in words


def test_the_master_loads_nothing_of_the_application_with_it() -> None:
    heavy = ("flask", "grpc", "tritonclient", "transformers", "marshmallow", "numpy", "orjson")
    code = f"import app.worker, sys; print([n for n in {heavy!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
