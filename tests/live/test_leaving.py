"""A client that goes away ends its request in Triton, in the way that the model allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.counters import Counters
from tests.live.http import Server
from tests.live.servers import HOSTS, running
from tests.live.waiting import wait_until

STORY = {
    "prompt": "Once upon a time",
    "max_tokens": 400,
    "temperature": 0,
    # Without it the story may be over before the client has gone.
    "repetition_penalty": 1.3,
}

# It takes 0.2 s; the rest is for a machine that is busy. The story itself would take 20 s.
SOON = 5.0

ReadCounters = Callable[[str], Counters]


def leave_stream(server: Server, model: str) -> None:
    with server.stream("/v1/completions", {**STORY, "model": model}) as stream:
        next(stream.lines())


def leave_whole_answer(server: Server, model: str) -> None:
    connection = server.send("/v1/completions", {**STORY, "model": model})
    time.sleep(0.5)
    connection.close()


def num_running(counted: Counters) -> int:
    return counted.started - counted.completed - counted.cancelled - counted.failed


LEAVING = {"streaming": leave_stream, "waiting": leave_whole_answer}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_generation_stops_soon(
    gateway: Server, counters: ReadCounters, leave: Callable[[Server, str], None]
) -> None:
    before = counters("ft-slow")
    leave(gateway, "ft-slow")
    wait_until(
        lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation", SOON
    )
    after = counters("ft-slow")
    assert after.completed == before.completed
    assert after.tokens - before.tokens < 150


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_a_model_that_drains_is_read_to_its_end(
    gateway: Server, counters: ReadCounters, leave: Callable[[Server, str], None]
) -> None:
    before = counters("ft-drain")
    leave(gateway, "ft-drain")
    time.sleep(1.0)
    assert counters("ft-drain").completed == before.completed, "it must still be running"
    wait_until(
        lambda: counters("ft-drain").completed == before.completed + 1, "the end of the answer", 30
    )
    assert counters("ft-drain").cancelled == before.cancelled


def test_a_drained_request_keeps_its_place_until_its_end(
    entries: dict[str, Any], counters: ReadCounters, tmp_path: Path
) -> None:
    from tests.live.servers import write_configuration

    (model,) = (entry for entry in entries["llm"] if entry["name"] == "ft-drain")
    narrow = {"llm": [{**model, "max_inflight": 1, "max_queue": 0}]}
    path = write_configuration(tmp_path / "narrow.json", narrow)
    question = {"model": "ft-drain", "prompt": "hello", "max_tokens": 2}
    with running("gunicorn", path, tmp_path / "log") as server:
        before = counters("ft-drain").completed
        leave_stream(server, "ft-drain")
        refused = server.post("/v1/completions", question)
        assert (refused.status, refused.json()["error"]["code"]) == (429, "model_overloaded")
        assert refused.headers["Retry-After"] == "1"
        wait_until(lambda: counters("ft-drain").completed == before + 1, "the end", 30)
        wait_until(
            lambda: server.post("/v1/completions", question).status == 200, "the free place", 2
        )


def test_a_stop_string_ends_the_generation(gateway: Server, counters: ReadCounters) -> None:
    text = gateway.post("/v1/completions", {**STORY, "model": "demo-chat"}).json()
    stop = text["choices"][0]["text"][8:12]
    before = counters("ft-slow")
    gateway.post("/v1/completions", {**STORY, "model": "ft-slow", "stop": stop})
    wait_until(
        lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation", SOON
    )
    assert counters("ft-slow").tokens - before.tokens < 30


def test_a_complete_answer_is_not_a_cancelled_one(gateway: Server, counters: ReadCounters) -> None:
    before = counters("demo-chat")
    body = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 11}
    gateway.post("/v1/completions", body)
    gateway.events("/v1/completions", body)
    wait_until(lambda: counters("demo-chat").completed == before.completed + 2, "the completion")
    assert counters("demo-chat").cancelled == before.cancelled


def test_one_of_several_prompts_does_not_outlive_the_client(
    gateway: Server, counters: ReadCounters
) -> None:
    before = counters("ft-slow")
    body = {**STORY, "model": "ft-slow", "prompt": ["Once", "One day", "The sun"]}
    with gateway.stream("/v1/completions", body) as stream:
        next(stream.lines())
    # One that had not begun yet is never counted.
    wait_until(lambda: num_running(counters("ft-slow")) == 0, "the end of all three")
    assert counters("ft-slow").completed == before.completed
    assert counters("ft-slow").cancelled > before.cancelled


@pytest.mark.parametrize("host", [name for name in HOSTS if name != "gunicorn"])
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_other_hosts_stop_it_too(
    host: str,
    leave: Callable[[Server, str], None],
    configuration: Path,
    counters: ReadCounters,
    tmp_path: Path,
) -> None:
    with running(host, configuration, tmp_path / "log") as server:
        before = counters("ft-slow").cancelled
        leave(server, "ft-slow")
        wait_until(lambda: counters("ft-slow").cancelled == before + 1, "the cancellation", SOON)
