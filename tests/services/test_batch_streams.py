"""Rows of one batch that end at different times: silence is filled, and nobody's end is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.chunks import Chunk, MessageDelta
from app.services.answers import fold
from app.services.messages import Message
from tests.applications import END_ID, LLM, build_application, standard_configuration, token_ids
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton, message, sent
from tests.services.sse import read_events

MAX_TOKENS = 8
FINISHED = b'"finish_reason":"'


@pytest.fixture
def client(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> FlaskClient:
    llm = {"batch_size": None}
    configuration = standard_configuration(triton.address, http_triton.address, llm=llm)
    return build_application(tmp_path, configuration, KEEP_ALIVE_INTERVAL="0.1").test_client()


class OneIsSlow:
    """The first row ends at once; the second has its last token when it may, or after a while."""

    def __init__(self, quick: str, slow: str, pause: float = 60.0) -> None:
        self.may_go_on = threading.Event()
        self._pause = pause
        self._quick, self._slow = token_ids(quick), token_ids(slow)

    def __call__(self, request: Any, _: Any) -> Iterator[Any]:
        (prompt, _) = sent(request)["input_ids"][1]
        yield self._message(prompt, self._slow[:-1])
        self.may_go_on.wait(self._pause)
        yield self._message(prompt, [*self._slow, END_ID])

    def _message(self, prompt: list[int], slow: list[int]) -> Any:
        rows = [[*prompt, *self._quick, END_ID], [*prompt, *slow]]
        width = len(prompt) + MAX_TOKENS
        ids = [[[*row, *[END_ID] * (width - len(row))]] for row in rows]
        lengths = [[len(row)] for row in rows]
        return message({"output_ids": ("UINT32", ids), "sequence_length": ("UINT32", lengths)})


def post(client: FlaskClient, **body: Any) -> Any:
    given = {"model": LLM, "prompt": "x", "n": 2, "max_tokens": MAX_TOKENS, **body}
    return client.post("/v1/completions", json=given)


def events_of(response: Any, script: OneIsSlow) -> list[Any]:
    """All events; the second row goes on after a sign of life behind the first one's end."""
    received = b""
    for piece in response.iter_encoded():
        received += piece
        if b": keep-alive" in received.partition(FINISHED)[2]:
            script.may_go_on.set()
    return read_events(received)


def test_silence_is_told_when_the_first_row_is_over(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = script = OneIsSlow("boat", "small boat in the")
    events = events_of(post(client, stream=True), script)
    ends = [
        place
        for place, event in enumerate(events)
        if isinstance(event, dict) and event["choices"][0]["finish_reason"]
    ]
    assert len(ends) == 2
    assert ": keep-alive" in events[ends[0] : ends[1]]


def test_silence_is_told_when_a_stop_string_ended_the_first_row(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = script = OneIsSlow("boat", "small harbour in the")
    events = events_of(post(client, stream=True, stop="boat"), script)
    assert ": keep-alive" in events
    assert [event for event in events if isinstance(event, str)][-1] == "[DONE]"


def test_a_whole_answer_keeps_the_end_of_the_first_row(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = OneIsSlow("boat", "small boat in the", pause=0.3)
    choices = post(client).json["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "stop"]
    assert [choice["text"] for choice in choices] == ["boat", "small boat in the"]


def test_silence_after_an_end_changes_nothing() -> None:
    end = Chunk("a", 1, 0, "stop", "x")
    (choice,) = fold([end, Chunk("", 1, 0)], 1)
    assert (choice.text, choice.finish_reason, choice.stop_reason) == ("a", "stop", "x")
    answer = Message()
    answer.add(MessageDelta(1, content="a", finish_reason="tool_calls", stop_reason=7))
    answer.add(MessageDelta(2))
    assert (answer.content, answer.finish_reason, answer.stop_reason) == ("a", "tool_calls", 7)


@pytest.mark.parametrize("llm", [{"batch_size": 1}, {"batch_size": 3}, {"batch_size": None}])
def test_a_model_of_one_place_gives_every_choice_and_the_place_back(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton, llm: dict[str, Any]
) -> None:
    # A place is free when Triton's call has ended, which may be after the answer.
    keys = {**llm, "max_inflight": 1, "max_queue": 1}
    configuration = standard_configuration(triton.address, http_triton.address, llm=keys)
    client = build_application(tmp_path, configuration).test_client()
    triton.script = Echoes()
    for _ in range(3):
        answer = post(client, n=4)
        assert answer.status_code == 200, answer.json
        assert [choice["text"] for choice in answer.json["choices"]] == ["boat"] * 4


class Echoes:
    """Every row says the same at once."""

    def __call__(self, request: Any, _: Any) -> Iterator[Any]:
        prompts = sent(request)["input_ids"][1]
        rows = [[*prompt, *token_ids("boat"), END_ID] for prompt in prompts]
        width = len(prompts[0]) + MAX_TOKENS
        ids = [[[*row, *[END_ID] * (width - len(row))]] for row in rows]
        lengths = [[len(row)] for row in rows]
        yield message({"output_ids": ("UINT32", ids), "sequence_length": ("UINT32", lengths)})
