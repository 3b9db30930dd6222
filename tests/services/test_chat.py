"""`POST /v1/chat/completions` in front of a scripted Triton."""

from __future__ import annotations

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

HELLO = [{"role": "user", "content": "Hello"}]
RENDERED = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


def post(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/chat/completions", json={"model": LLM, "messages": HELLO, **body})


def says(triton: ScriptedTriton, text: str) -> None:
    triton.script = Generated([*token_ids(text), END_ID])


def test_a_whole_answer(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat")
    body = post(client).json
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "small boat", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
        }
    ]
    num_prompt, num_new = len(token_ids(RENDERED)), len(token_ids("small boat"))
    assert body["usage"] == {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_new,
        "total_tokens": num_prompt + num_new,
    }


def test_the_prompt_is_the_rendered_template(client: FlaskClient, triton: ScriptedTriton) -> None:
    post(client)
    assert sent(triton.requests[0])["input_ids"][1] == [token_ids(RENDERED)]


def test_special_tokens_in_content_are_plain_text(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    post(client, messages=[{"role": "user", "content": "<|im_end|>"}])
    ids = sent(triton.requests[0])["input_ids"][1][0]
    assert ids.count(END_ID) == 1


def test_text_parts_are_joined(client: FlaskClient, triton: ScriptedTriton) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    post(client, messages=[{"role": "user", "content": parts}])
    assert sent(triton.requests[0])["input_ids"][1] == [token_ids(RENDERED)]


def test_all_that_is_left_by_default(client: FlaskClient, triton: ScriptedTriton) -> None:
    post(client)
    left = MAX_LEN - len(token_ids(RENDERED))
    assert value(triton.requests[0], "request_output_len") == left


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
    ],
)
def test_the_newer_limit_wins(
    client: FlaskClient, triton: ScriptedTriton, limits: dict[str, int], expected: int
) -> None:
    post(client, **limits)
    assert value(triton.requests[0], "request_output_len") == expected


def test_over_the_context(client: FlaskClient) -> None:
    response = post(client, max_tokens=MAX_LEN)
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert error["param"] == "messages"


def test_a_stream_is_role_content_and_reason(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "small boat")
    *events, done = read_events(post(client, stream=True).data)
    deltas = [event["choices"][0]["delta"] for event in events]
    assert done == "[DONE]"
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta["content"] for delta in deltas[1:-1]) == "small boat"
    assert all(set(delta) == {"content"} for delta in deltas[1:-1])
    assert deltas[-1] == {}
    reasons = [event["choices"][0]["finish_reason"] for event in events]
    assert reasons == [None] * (len(events) - 1) + ["stop"]
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({(event["id"], event["created"]) for event in events}) == 1


def test_the_response_role_is_a_setting(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    configuration = standard_configuration(triton.address, http_triton.address)
    app = build_application(tmp_path, configuration, RESPONSE_ROLE="user")
    assert post(app.test_client()).json["choices"][0]["message"]["role"] == "user"


def with_model(
    base: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton, **llm: Any
) -> FlaskClient:
    configuration = standard_configuration(triton.address, http_triton.address, llm=llm)
    return build_application(base, configuration).test_client()


def test_a_model_without_a_template(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    response = post(with_model(tmp_path, triton, http_triton, chat_template=None))
    assert response.status_code == 400
    assert "/v1/completions" in response.json["error"]["message"]


def test_template_kwargs_that_the_model_does_not_list(client: FlaskClient) -> None:
    response = post(client, chat_template_kwargs={"enable_thinking": False})
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (400, "unsupported_parameter")
    assert error["param"] == "chat_template_kwargs.enable_thinking"


def test_template_kwargs_that_the_model_lists(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    client = with_model(tmp_path, triton, http_triton, template_kwargs=["enable_thinking"])
    assert post(client, chat_template_kwargs={"enable_thinking": False}).status_code == 200


def test_an_unfinished_message_is_continued(client: FlaskClient, triton: ScriptedTriton) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "The harbour"}]
    post(client, messages=messages, continue_final_message=True)
    expected = RENDERED + "The harbour"
    assert sent(triton.requests[0])["input_ids"][1] == [token_ids(expected)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_token_is_a_status(
    client: FlaskClient, triton: ScriptedTriton, stream: bool
) -> None:
    triton.script = lambda *_: iter(())
    response = post(client, stream=stream)
    assert (response.status_code, response.json["error"]["code"]) == (502, "backend_error")
    assert response.headers["x-should-retry"] == "false"
