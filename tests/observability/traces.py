"""A client's own trace, and requests that go on with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from tests.applications import LLM

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
COMPLETION = {"model": LLM, "prompt": "a", "max_tokens": 8}
ROOT = "POST /v1/completions"

Build = Callable[..., FlaskClient]


def post(client: FlaskClient, path: str, body: Any, **headers: str) -> Any:
    """The answer, read to its end and closed."""
    response = client.post(path, json=body, headers=headers)
    with response:
        response.get_data()
    return response
