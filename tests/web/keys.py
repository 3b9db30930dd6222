"""An application with keys, and requests to it that no client library would send."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from tests.applications import LLM

KEY = "sk-right-0123456789"
OTHER = "sk-other-0123456789"
PROMPT = {"model": LLM, "prompt": "a"}


def bearer(key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def send(app: Flask, method: str, path: str, headers: Any = None, **environ: Any) -> TestResponse:
    """A request whose environment has what no client library would send."""
    builder = EnvironBuilder(method=method, path="/")
    made = {**builder.get_environ(), "PATH_INFO": path}
    made |= {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()
    }
    made |= environ
    body, status, answered = run_wsgi_app(app, made, buffered=True)
    return TestResponse(body, status, answered, builder.get_request())


def check_refusal(response: TestResponse, *, is_head: bool = False) -> None:
    assert response.status_code == 401
    assert response.headers.getlist("WWW-Authenticate") == ["Bearer"]
    assert response.headers["x-request-id"]
    assert KEY not in str(response.headers)
    if is_head:
        assert response.data == b""
        return
    assert response.content_type == "application/json"
    error = response.get_json()["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert error["param"] is None
    assert "sk-" not in response.text
    assert "kkk" not in response.text
