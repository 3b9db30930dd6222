"""What has arrived together is written together, and nothing waits for what has not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.arrivals import Arrivals
from app.errors import ApiError, InternalError
from app.web.sse import MAX_WRITE_BYTES, PLAIN, event_stream_response
from tests.applications import LLM, token_ids
from tests.scripted_triton import Generated, ScriptedTriton
from tests.services.sse import read_events

SILENCE = 60.0


def all_writes(events: Any, arrivals: Arrivals) -> list[bytes]:
    def told(error: Exception) -> ApiError:
        return error if isinstance(error, ApiError) else InternalError(str(error))

    return list(event_stream_response(events, told, PLAIN, arrivals).response)  # type: ignore[arg-type]  # texts are allowed too


def arriving(counts: list[int], arrivals: Arrivals) -> Iterator[dict[str, int]]:
    """Events of which so many are there at once."""
    left = 0
    arrivals.follow(lambda: left > 0)
    for count in counts:
        for left in reversed(range(count)):
            yield {"left": left}


@pytest.mark.parametrize("counts", [[1, 1, 1], [3], [2, 1, 3], [1, 4]])
def test_what_is_there_is_one_write(counts: list[int]) -> None:
    arrivals = Arrivals()
    found = all_writes(arriving(counts, arrivals), arrivals)
    assert [write.count(b"data: {") for write in found] == [*counts, 0]
    assert found[-1] == b"data: [DONE]\n\n"


def test_a_write_has_a_limit() -> None:
    arrivals = Arrivals()
    arrivals.follow(lambda: True)
    event = {"text": "x" * 1000}
    found = all_writes((event for _ in range(100)), arrivals)
    assert max(map(len, found)) < MAX_WRITE_BYTES + 1100
    assert read_events(b"".join(found)) == [*[event] * 100, "[DONE]"]


def test_a_failure_takes_what_was_gathered_along() -> None:
    arrivals = Arrivals()
    arrivals.follow(lambda: True)

    def events() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        yield {"n": 2}
        raise ValueError("canary")

    (write,) = all_writes(events(), arrivals)
    first, second, failure = read_events(write)
    assert (first, second) == ({"n": 1}, {"n": 2})
    assert "error" in failure


def after_a_pause(
    ids: list[int], *, num_at_once: int, may_go_on: threading.Event
) -> Callable[[Any, Any], Iterator[Any]]:
    """A script that sends the first tokens at once and the others when it may."""

    def script(request: Any, context: Any) -> Iterator[Any]:
        for place, message in enumerate(Generated(ids)(request, context)):
            if place == num_at_once:
                may_go_on.wait(SILENCE)
            yield message

    return script


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": LLM, "prompt": "a"}),
        ("/v1/chat/completions", {"model": LLM, "messages": [{"role": "user", "content": "a"}]}),
    ],
)
@pytest.mark.parametrize("stop", [None, "bz"])
def test_text_does_not_wait_for_text_that_is_held_back(
    client: FlaskClient, triton: ScriptedTriton, path: str, body: dict[str, Any], stop: str | None
) -> None:
    # The third token may begin the stop string, or does begin a character of several tokens.
    ids = token_ids("xab" if stop else "xa🦊")
    may_go_on = threading.Event()
    triton.script = after_a_pause([*ids, *token_ids("c"), 2], num_at_once=3, may_go_on=may_go_on)
    response = client.post(path, json={**body, "stream": True, "stop": stop, "max_tokens": 16})
    writes = iter(response.response)
    received = b""
    while b'"x"' not in received:
        received += next(writes)  # type: ignore[operator]  # Werkzeug allows texts too
    while b'"a"' not in received:
        received += next(writes)  # type: ignore[operator]  # Werkzeug allows texts too
    # It has come before the others were sent.
    assert not triton.ended.is_set()
    may_go_on.set()
    assert read_events(received + b"".join(writes))[-1] == "[DONE]"  # type: ignore[arg-type]
