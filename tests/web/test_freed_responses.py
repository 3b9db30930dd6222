"""A response is freed when it is closed: with a large body it must not wait for the collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.applications import LLM
from tests.scripted_triton import ScriptedTriton


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def answered(app: Flask, body: dict[str, Any]) -> list[weakref.ref[Any]]:
    with app.test_request_context("/v1/completions", method="POST", json=body):
        response = app.full_dispatch_request()
        next(iter(response.response))
        kept = [weakref.ref(response)]
        response.close()
    return kept


@pytest.mark.parametrize("stream", [False, True])
def test_a_closed_response_is_freed_at_once(
    app: Flask, triton: ScriptedTriton, stream: bool
) -> None:
    body = {"model": LLM, "prompt": "a", "max_tokens": 3, "stream": stream}
    (response,) = answered(app, body)
    assert response() is None
