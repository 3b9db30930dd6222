"""What waits for a response's close is called, whatever fails before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from flask import Flask, Response

from app.web.calls import Server


class Body:
    """A body whose close fails."""

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        raise StopIteration

    def close(self) -> NoReturn:
        fail()


def fail() -> NoReturn:
    raise RuntimeError("of the close")


def of_the_body() -> Response:
    return Response(Body())


def of_who_waits() -> Response:
    response = Response("")
    response.call_on_close(fail)
    return response


@pytest.mark.parametrize("view", [of_the_body, of_who_waits])
def test_a_failure_keeps_nobody_from_being_called(
    app: Flask, monkeypatch: pytest.MonkeyPatch, view: Callable[[], Response]
) -> None:
    server: Server = app.extensions["openai_api"]
    monkeypatch.setitem(app.view_functions, "health.get_health", view)
    called: list[str] = []
    with app.test_request_context("/health"):
        response = app.full_dispatch_request()
        response.call_on_close(lambda: called.append("a"))
        response.call_on_close(lambda: called.append("b"))
        assert server.open_requests.count == 1
        with pytest.raises(RuntimeError, match="of the close"):
            response.close()
    assert server.open_requests.count == 0
    assert called == ["a", "b"]
