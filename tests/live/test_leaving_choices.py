"""Places of a client that went away: those of its several answers, and one of a drained answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.http import Answer, Server
from tests.live.leaving import (
    COMPLETIONS,
    STORY,
    ReadCounters,
    at_rest,
    cancelled,
    leave_stream,
)
from tests.live.servers import running, write_configuration
from tests.live.waiting import wait_until

# Each has room for one request of four answers, or for one answer of the last.
NARROW = {
    "calls": {"triton_model": "ft-slow", "max_inflight": 4},
    "batch": {"triton_model": "ft-slow", "max_inflight": 1, "batch_size": 8},
    "drained": {"triton_model": "ft-drain", "max_inflight": 1},
}


@pytest.fixture(scope="module")
def narrow(entries: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose models have few places and no queue."""
    known = {entry["name"]: entry for entry in entries["llm"]}
    models = [
        {**known[keys["triton_model"]], "name": name, "max_queue": 0, **keys}
        for name, keys in NARROW.items()
    ]
    folder = tmp_path_factory.mktemp("narrow")
    configuration = write_configuration(folder / "models.json", {"llm": models})
    with running("gunicorn", configuration, folder / "log") as server:
        yield server
        assert "Traceback" not in server.log_text()


def ask(server: Server, **fields: Any) -> Answer:
    return server.post(COMPLETIONS, {**STORY, "max_tokens": 2, **fields})


@pytest.mark.parametrize("model", ["calls", "batch"])
def test_leaving_four_choices(narrow: Server, counters: ReadCounters, model: str) -> None:
    """Nothing goes on, and there is room for others."""
    four = {"model": model, "n": 4}
    with cancelled(counters, "ft-slow", num_answers=4):
        leave_stream(narrow, {**STORY, **four}, counters)
    # Every place is free again: each of these needs all of them.
    for _ in range(2):
        wait_until(lambda: ask(narrow, **four).status == 200, "free places")


def test_a_drained_request_keeps_its_place_until_its_end(
    narrow: Server, counters: ReadCounters
) -> None:
    # A busy machine may ask too late, behind the end; then the answer is to be longer.
    for max_tokens in (60, 240, 960):
        before = at_rest(counters, "ft-drain")
        leave_stream(narrow, {**STORY, "model": "drained", "max_tokens": max_tokens}, counters)
        refused = ask(narrow, model="drained")
        if refused.status != 200:
            break
    else:
        pytest.fail("it ended each time before the next one came")
    assert (refused.status, refused.json()["error"]["code"]) == (429, "model_overloaded")
    assert refused.headers["Retry-After"] == "1"
    wait_until(lambda: counters("ft-drain").completed == before.completed + 1, "the end")
    wait_until(lambda: ask(narrow, model="drained").status == 200, "the free place")
