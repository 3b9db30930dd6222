"""`POST /v1/completions` in front of a scripted Triton."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import (
    END_ID,
    LLM,
    MAX_LEN,
    build_application,
    standard_configuration,
    token_ids,
)
from tests.scripted_triton import Generated, ScriptedHttpTriton, ScriptedTriton, sent, value
from tests.services.sse import read_events


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


def post(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/completions", json={"model": LLM, **body})


def says(triton: ScriptedTriton, text: str, *, step: int = 1) -> None:
    triton.script = Generated([*token_ids(text), END_ID], step=step)


def streamed(client: FlaskClient, **body: Any) -> list[Any]:
    response = post(client, stream=True, **body)
    assert response.status_code == 200
    return read_events(response.data)


def text_of(events: list[Any], index: int = 0) -> str:
    return "".join(
        choice["text"]
        for event in events
        if isinstance(event, dict)
        for choice in event["choices"]
        if choice["index"] == index
    )


def test_a_whole_answer(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat")
    body = post(client, prompt="The harbour", max_tokens=20).json
    num_prompt, num_new = len(token_ids("The harbour")), len(token_ids("small boat"))
    assert body["object"] == "text_completion"
    assert body["id"].startswith("cmpl-")
    assert abs(body["created"] - time.time()) < 60
    assert body["model"] == LLM
    assert body["choices"] == [
        {
            "index": 0,
            "text": "small boat",
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
        }
    ]
    assert body["usage"] == {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_new,
        "total_tokens": num_prompt + num_new,
    }


def test_16_tokens_by_default(client: FlaskClient, triton: ScriptedTriton) -> None:
    post(client, prompt="a")
    assert value(triton.requests[0], "request_output_len") == 16


def test_the_default_shrinks_to_what_is_left(client: FlaskClient, triton: ScriptedTriton) -> None:
    post(client, prompt=[300] * (MAX_LEN - 5))
    assert value(triton.requests[0], "request_output_len") == 5


def test_more_than_is_left_is_refused(client: FlaskClient, triton: ScriptedTriton) -> None:
    response = post(client, prompt=[300] * (MAX_LEN - 5), max_tokens=6)
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert triton.requests == []


def test_token_ids_are_sent_as_they_are(client: FlaskClient, triton: ScriptedTriton) -> None:
    post(client, prompt=[300, 301, 302])
    assert sent(triton.requests[0])["input_ids"][1] == [[300, 301, 302]]


def test_ids_outside_the_vocabulary(client: FlaskClient) -> None:
    response = post(client, prompt=[[300], [300, 10**6]])
    assert (response.status_code, response.json["error"]["param"]) == (400, "prompt[1]")


def test_several_prompts_are_choices_in_their_order(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    def echo(request: Any, context: Any) -> Any:
        prompt = sent(request)["input_ids"][1][0]
        return Generated([prompt[-1], END_ID])(request, context)

    triton.script = echo
    prompts = [[300], [301], [302], [303]]
    body = post(client, prompt=prompts).json
    single = [post(client, prompt=prompt).json["choices"][0]["text"] for prompt in prompts]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in body["choices"]] == single
    assert body["usage"] == {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8}


def test_several_prompts_stream_with_their_index(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    says(triton, "small boat")
    events = streamed(client, prompt=["one", "two", "three"])
    assert [text_of(events, index) for index in range(3)] == ["small boat"] * 3
    assert events[-1] == "[DONE]"
    assert events[-2]["usage"]["completion_tokens"] == 3 * len(token_ids("small boat"))


def test_the_prompts_of_one_request_do_not_crowd_each_other_out(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    """429 means that others fill the model, and here nobody else is there."""
    limits = {"max_inflight": 2, "max_queue": 2, "max_queue_wait": 0.2}
    configuration = standard_configuration(triton.address, http_triton.address, llm=limits)
    client = build_application(tmp_path, configuration).test_client()
    triton.script = Generated([300, END_ID], delay=0.15)
    assert post(client, prompt=[[300]] * 8).status_code == 200


def test_a_failure_of_one_prompt_fails_the_answer(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    def one_fails(request: Any, context: Any) -> Any:
        if sent(request)["input_ids"][1] == [[301]]:
            return iter(())
        return Generated([300] * 40, delay=0.02)(request, context)

    triton.script = one_fails
    assert post(client, prompt=[[300], [301]], max_tokens=40).status_code == 502


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("stop", ["boat", ["lamp", " boat"], "l b", ["oat", "boat came"]])
def test_stop_strings(client: FlaskClient, triton: ScriptedTriton, stop: Any, step: int) -> None:
    text = "The small boat came home with its lamp"
    says(triton, text, step=step)
    whole = post(client, prompt="a", stop=stop, max_tokens=40).json
    events = streamed(client, prompt="a", stop=stop, max_tokens=40)
    found = [stop] if isinstance(stop, str) else stop
    place, used = min((text.find(item) + len(item), item) for item in found if item in text)
    choice = whole["choices"][0]
    assert choice["text"] == text_of(events) == text[: place - len(used)]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", used)
    assert whole["usage"] == events[-2]["usage"]


def test_completion_tokens_count_up_to_the_stop_string(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    """What a 5-token callback brought beyond it is not counted."""
    ids = token_ids("The small boat came home")
    triton.script = Generated(ids, step=5)
    pieces = [len(token_ids("The small boat"[:end])) for end in (len("The small boat"),)]
    body = post(client, prompt="a", stop="boat", max_tokens=len(ids)).json
    assert body["usage"]["completion_tokens"] == pieces[0]


def test_the_beginning_of_a_stop_string_is_flushed_at_the_end(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    ids = token_ids("with its lamp")
    triton.script = Generated(ids)
    body = post(client, prompt="a", stop="lamp still", max_tokens=len(ids)).json
    assert body["choices"][0]["text"] == "with its lamp"
    assert body["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    "text", ["小船回到港口的时候", "👩‍👩‍👧‍👦 e\u0301", "a\n\nb\u2028c\r\n", "ありがとう"]
)
def test_streamed_and_whole_text_are_equal(
    client: FlaskClient, triton: ScriptedTriton, text: str
) -> None:
    says(triton, text)
    assert post(client, prompt="a", max_tokens=50).json["choices"][0]["text"] == text
    assert text_of(streamed(client, prompt="a", max_tokens=50)) == text


@pytest.mark.parametrize("prompt", ["The harbour", "", [300, 301]])
@pytest.mark.parametrize("stream", [False, True])
def test_echo(client: FlaskClient, triton: ScriptedTriton, prompt: Any, stream: bool) -> None:
    says(triton, " was quiet")
    shown = prompt if isinstance(prompt, str) else decoded(client, prompt)
    if prompt == "":
        assert post(client, prompt=prompt, echo=True).status_code == 400
        return
    if stream:
        assert text_of(streamed(client, prompt=prompt, echo=True)) == f"{shown} was quiet"
    else:
        body = post(client, prompt=prompt, echo=True).json
        assert body["choices"][0]["text"] == f"{shown} was quiet"


def decoded(client: FlaskClient, ids: list[int]) -> str:
    return str(post(client, prompt=ids, echo=True, max_tokens=0).json["choices"][0]["text"])


def test_echo_of_nothing_new_needs_no_backend(client: FlaskClient, triton: ScriptedTriton) -> None:
    body = post(client, prompt="The harbour", echo=True, max_tokens=0).json
    assert body["choices"][0]["text"] == "The harbour"
    assert body["usage"]["completion_tokens"] == 0
    assert triton.requests == []


def test_an_empty_prompt_without_a_bos_token(client: FlaskClient) -> None:
    """The test tokenizer has none."""
    response = post(client, prompt="")
    assert (response.status_code, response.json["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_finish_reasons(client: FlaskClient, triton: ScriptedTriton, reason: str) -> None:
    ids = token_ids("small boat")
    triton.script = Generated([*ids, END_ID] if reason == "stop" else ids)
    whole = post(client, prompt="a", max_tokens=len(ids) if reason == "length" else 30).json
    assert whole["choices"][0]["finish_reason"] == reason


def test_the_last_events_of_a_stream(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat")
    *others, last, done = streamed(client, prompt="a")
    assert done == "[DONE]"
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == len(token_ids("small boat"))
    assert all(event["choices"][0]["finish_reason"] is None for event in others)
    assert all(event["object"] == "text_completion" for event in [*others, last])
