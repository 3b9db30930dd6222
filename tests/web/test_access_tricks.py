"""No form of a path, no header and no other variable of a request gets past the keys."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.web.keys import check_refusal, send

pytestmark = pytest.mark.case("D7", "Every route with wrong keys, and tricks with hosts and paths")


@pytest.mark.parametrize(
    "path",
    [
        "/health/../v1/models",
        "/v1/models/../../health",
        "/./v1/models",
        "//v1/models",
        "/v1//models",
        "/health/",
        "/health//",
        "/v1/models/",
        "/V1/models",
        "/HEALTH",
        "/health;/v1/models",
        "/v1/models;/health",
        "/v1/models;.json",
        "/health?/v1/models",
        "/v1/models?/health",
        "/v1/models#/health",
        "/health%2f..%2fv1/models",
        "/health\0",
        "/health ",
        " /health",
        "/v1\\models",
        "/health\\..\\v1/models",
        "http://a/health",
        "http://a/v1/models",
        "v1/models",
        "",
        "*",
        "/\xe4",
        "/healthx",
        "/version/../v1/models",
    ],
)
def test_no_form_of_a_path_gets_past(keyed: Flask, path: str) -> None:
    check_refusal(send(keyed, "GET", path))


@pytest.mark.parametrize("path", ["//health", "health"])
def test_what_reaches_an_open_route_reaches_nothing_else(keyed: Flask, path: str) -> None:
    assert send(keyed, "GET", path).get_json() == {"status": "ok"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a/?x"},
        {"Host": "a/health?"},
        {"Host": "localhost/health#"},
        {"Host": "a/../health"},
        {"Host": "localhost:5100/health"},
        {"Host": ""},
        {"Host": "a b"},
        {"Host": "a@health"},
        {"Host": "\xff"},
        {"X-Original-URL": "/health"},
        {"X-Rewrite-URL": "/health"},
        {"X-Forwarded-Host": "a/?x", "X-Forwarded-Prefix": "/health"},
        {"X-HTTP-Method-Override": "GET"},
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
        {"Referer": "http://localhost/health", "Origin": "http://localhost"},
        {"Script-Name": "/health", "Path-Info": "/health"},
    ],
    ids=str,
)
def test_no_header_gets_past(keyed: Flask, headers: dict[str, str]) -> None:
    for verb in ("GET", "POST", "OPTIONS"):
        check_refusal(send(keyed, verb, "/v1/models", headers))
        check_refusal(send(keyed, verb, "/v1/completions", headers))


@pytest.mark.parametrize(
    "environ",
    [
        {"SCRIPT_NAME": "/health"},
        {"SCRIPT_NAME": "/version", "RAW_URI": "/health", "REQUEST_URI": "/health"},
        {"SERVER_NAME": "a/?x", "SERVER_PORT": "80/health"},
        {"QUERY_STRING": "/health", "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "admin"},
    ],
    ids=str,
)
def test_no_other_variable_gets_past(keyed: Flask, environ: dict[str, str]) -> None:
    check_refusal(send(keyed, "GET", "/v1/models", **environ))
