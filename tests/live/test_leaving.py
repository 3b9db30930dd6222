"""A client that goes away ends its request in Triton, in the way that the model allows."""

from __future__ import annotations

import pytest

from tests.live.http import Server
from tests.live.leaving import (
    COMPLETIONS,
    LEAVING,
    STORY,
    Leave,
    ReadCounters,
    at_rest,
    cancelled,
)
from tests.live.waiting import wait_until


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_generation_stops_soon(gateway: Server, counters: ReadCounters, leave: Leave) -> None:
    with cancelled(counters, "ft-slow"):
        leave(gateway, STORY, counters)


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_a_model_that_drains_is_read_to_its_end(
    gateway: Server, counters: ReadCounters, leave: Leave
) -> None:
    # A busy machine may leave too late, behind the end; then the answer is to be longer.
    for max_tokens in (60, 240, 960):
        before = at_rest(counters, "ft-drain")
        leave(gateway, {**STORY, "model": "ft-drain", "max_tokens": max_tokens}, counters)
        if counters("ft-drain").completed == before.completed:
            break
    else:
        pytest.fail("it ended each time before the client left")
    wait_until(lambda: counters("ft-drain").completed == before.completed + 1, "the answer's end")
    after = counters("ft-drain")
    assert after.cancelled == before.cancelled
    assert after.tokens - before.tokens == max_tokens


def test_a_stop_string_ends_the_generation(gateway: Server, counters: ReadCounters) -> None:
    text = gateway.post(COMPLETIONS, {**STORY, "model": "demo-chat", "max_tokens": 12}).json()
    stop = text["choices"][0]["text"][8:12]
    with cancelled(counters, "ft-slow"):
        gateway.post(COMPLETIONS, {**STORY, "stop": stop})


def test_a_complete_answer_is_not_a_cancelled_one(gateway: Server, counters: ReadCounters) -> None:
    before = at_rest(counters, "demo-chat")
    body = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 11}
    gateway.post(COMPLETIONS, body)
    gateway.events(COMPLETIONS, body)
    wait_until(lambda: counters("demo-chat").completed == before.completed + 2, "the completion")
    assert counters("demo-chat").cancelled == before.cancelled


def test_one_of_several_prompts_does_not_outlive_the_client(
    gateway: Server, counters: ReadCounters
) -> None:
    body = {**STORY, "prompt": ["Once", "One day", "The sun"]}
    # One that had not begun yet is never counted.
    with cancelled(counters, "ft-slow", num_answers=3), gateway.stream(COMPLETIONS, body) as stream:
        next(stream.lines())
