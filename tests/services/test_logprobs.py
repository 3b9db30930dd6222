"""Tokens and their offsets beside the returned text, whole and streamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.applications import END_ID, LLM, build_application, standard_configuration, token_ids
from tests.scripted_triton import (
    LLAMA_OUTPUTS,
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    message,
    model_config,
    row_message,
    say,
    sent,
    value,
)
from tests.services.sse import read_events
from tests.tokenizers.cached import tokenizer

OUTPUTS = {**LLAMA_OUTPUTS, "output_log_probs": "FP32"}
TEXTS = ("The harbour", "你好，世界", "a😊b 👩‍👩‍👧 c", "small boat, small boat", "é ß …", "\n\n x")


@pytest.fixture
def client(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> FlaskClient:
    triton.config = model_config(outputs=OUTPUTS)
    configuration = standard_configuration(triton.address, http_triton.address)
    return build_application(tmp_path, configuration).test_client()


class Scored:
    """Answers with these ids, their log-probabilities -1, -2, … / 64."""

    def __init__(self, new_ids: Sequence[int], step: int = 1) -> None:
        self._ids = new_ids
        self._plain = Generated(new_ids, step=step)

    def __call__(self, request: Any, context: Any) -> Any:
        most = int(value(request, "request_output_len"))
        values = [[[-(place + 1) / 64 for place in range(most)]]]
        array = message({"output_log_probs": ("FP32", values)}).infer_response
        for answer in self._plain(request, context):
            if "is_return_log_probs" in sent(request):
                answer.infer_response.outputs.extend(array.outputs)
                answer.infer_response.raw_output_contents.extend(array.raw_output_contents)
            yield answer


def says(triton: ScriptedTriton, text: str, step: int = 1) -> None:
    triton.script = Scored([*token_ids(text), END_ID], step)


def whole(client: FlaskClient, **body: Any) -> Any:
    given_body = {"model": LLM, "prompt": "x", "max_tokens": 40, "logprobs": 0, **body}
    response = client.post("/v1/completions", json=given_body)
    assert response.status_code == 200, response.json
    return response.json["choices"][0]


LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def streamed(client: FlaskClient, **body: Any) -> Any:
    """The choice that all events together are."""
    given_body = {"model": LLM, "prompt": "x", "max_tokens": 40, "logprobs": 0, "stream": True}
    response = client.post("/v1/completions", json={**given_body, **body})
    *events, _ = read_events(response.data)
    joined: Any = {"text": "", "logprobs": {name: [] for name in LISTS}}
    for event in events:
        (choice,) = event["choices"]
        joined["text"] += choice["text"]
        for name in LISTS if choice["logprobs"] else ():
            joined["logprobs"][name] += choice["logprobs"][name]
    return joined


def raw(token: str) -> bytes:
    if token.startswith("bytes:"):
        return bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
    return token.encode()


def offsets(tokens: Sequence[str]) -> list[int]:
    """The character in which each token's bytes begin, by the joined bytes alone."""
    data, found = b"", []
    for token in tokens:
        found.append(len(data.decode(errors="ignore")))
        data += raw(token)
    return found


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("step", [1, 3])
def test_the_tokens_are_the_text(
    client: FlaskClient, triton: ScriptedTriton, text: str, step: int
) -> None:
    says(triton, text, step)
    choice = whole(client)
    found = choice["logprobs"]
    assert choice["text"] == text
    assert b"".join(map(raw, found["tokens"])).decode() == text
    assert found["text_offset"] == offsets(found["tokens"])
    count = len(token_ids(text))
    assert found["token_logprobs"] == [-(place + 1) / 64 for place in range(count)]
    for token, logprob, top in zip(
        found["tokens"], found["token_logprobs"], found["top_logprobs"], strict=True
    ):
        assert top == {token: logprob}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("fields", [{}, {"echo": True}, {"stop": "boat"}, {"stop": ["好", "😊"]}])
@pytest.mark.parametrize("is_kept", [False, True])
def test_a_stream_has_the_same(
    client: FlaskClient, triton: ScriptedTriton, text: str, fields: Any, is_kept: bool
) -> None:
    says(triton, text)
    body = {**fields, "prompt": "The 你好 boat", "include_stop_str_in_output": is_kept}
    one, other = whole(client, **body), streamed(client, **body)
    assert other["text"] == one["text"]
    assert other["logprobs"] == one["logprobs"]


@pytest.mark.parametrize("prompt", ["The harbour", "你好 😊", "", [40, 50, 60]])
def test_an_echoed_prompt_has_tokens_that_nobody_scored(
    client: FlaskClient, triton: ScriptedTriton, prompt: Any
) -> None:
    says(triton, "small boat")
    prompt = prompt or "T"
    choice = whole(client, prompt=prompt, echo=True)
    found = choice["logprobs"]
    ids = token_ids(prompt) if isinstance(prompt, str) else prompt
    assert b"".join(map(raw, found["tokens"])).decode() == choice["text"]
    assert found["token_logprobs"][: len(ids)] == [None] * len(ids)
    assert found["top_logprobs"][: len(ids)] == [None] * len(ids)
    assert None not in found["token_logprobs"][len(ids) :]
    assert found["text_offset"] == offsets(found["tokens"])


@pytest.mark.parametrize("is_kept", [False, True])
def test_tokens_behind_a_stop_string_are_not_told(
    client: FlaskClient, triton: ScriptedTriton, is_kept: bool
) -> None:
    says(triton, "The small boat in the harbour", step=9)
    choice = whole(client, stop="boat", include_stop_str_in_output=is_kept)
    found = choice["logprobs"]
    assert choice["text"] == ("The small boat" if is_kept else "The small ")
    assert all(offset < len(choice["text"]) for offset in found["text_offset"])
    covered = "".join(found["tokens"])
    assert covered.startswith(choice["text"])
    assert len(covered) - len(found["tokens"][-1]) < len(choice["text"])


def test_special_tokens_are_told_though_they_are_no_text(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    start = tokenizer("byte_level_bpe").special_tokens["<|im_start|>"]
    triton.script = Scored([*token_ids("a"), start, *token_ids("b"), END_ID])
    choice = whole(client)
    assert choice["text"] == "ab"
    assert choice["logprobs"]["tokens"] == ["a", "<|im_start|>", "b"]
    assert choice["logprobs"]["text_offset"] == [0, 1, 1]
    shown = whole(client, skip_special_tokens=False)
    assert shown["text"] == "a<|im_start|>b"
    assert shown["logprobs"]["text_offset"] == [0, 1, 1 + len("<|im_start|>")]


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ids=st.lists(st.integers(3, 600), min_size=1, max_size=12),
    step=st.integers(1, 4),
    stop=st.lists(st.text(min_size=1, max_size=2), max_size=2),
)
def test_whatever_the_model_says(
    client: FlaskClient, triton: ScriptedTriton, ids: list[int], step: int, stop: list[str]
) -> None:
    """Also what is no UTF-8: the tokens are in order, and a stream tells the same."""
    triton.script = Scored([*ids, END_ID], step)
    one, other = whole(client, stop=stop), streamed(client, stop=stop)
    assert other["text"] == one["text"]
    found = one["logprobs"] or {name: [] for name in LISTS}
    assert other["logprobs"] == found
    assert found["text_offset"] == sorted(found["text_offset"])
    joined = b"".join(map(raw, found["tokens"])).decode(errors="replace")
    assert joined.startswith(one["text"].rstrip("\ufffd"))
    for token, offset in zip(found["tokens"], found["text_offset"], strict=True):
        if not token.startswith("bytes:"):
            # A stop string may have cut the last one.
            assert token.startswith(one["text"][offset : offset + len(token)])


def test_an_answer_of_no_token_has_empty_lists(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = Scored([END_ID])
    assert whole(client)["logprobs"] in (None, {name: [] for name in LISTS})


def test_a_model_that_forgets_its_logprobs_is_the_backends_error(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    prompt = token_ids("x")
    row = [*prompt, *token_ids("boat"), END_ID]
    triton.script = say(row_message([*row, *[END_ID] * (len(prompt) + 9 - len(row))], len(row)))
    body = {"model": LLM, "prompt": "x", "max_tokens": 9, "logprobs": 0}
    response = client.post("/v1/completions", json=body)
    assert (response.status_code, response.json["error"]["code"]) == (502, "backend_error")


# ---- chat


def chat(client: FlaskClient, **body: Any) -> Any:
    messages = [{"role": "user", "content": "x"}]
    given_body = {"model": LLM, "messages": messages, "max_tokens": 40, "logprobs": True, **body}
    return client.post("/v1/chat/completions", json=given_body)


@pytest.mark.parametrize("text", TEXTS)
def test_chat_has_objects(client: FlaskClient, triton: ScriptedTriton, text: str) -> None:
    says(triton, text)
    found = chat(client).json["choices"][0]["logprobs"]
    assert found["refusal"] is None
    entries = found["content"]
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == text
    assert [raw(entry["token"]) for entry in entries] == [bytes(e["bytes"]) for e in entries]
    assert all(entry["top_logprobs"] == [] for entry in entries)
    *events, _ = read_events(chat(client, stream=True).data)
    told = [event["choices"][0]["logprobs"] for event in events]
    assert [entry for part in told if part for entry in part["content"]] == entries


def test_the_likeliest_of_a_greedy_answer_is_the_chosen_one(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    says(triton, "small boat")
    (first, *_) = chat(client, temperature=0, top_logprobs=1).json["choices"][0]["logprobs"][
        "content"
    ]
    (top,) = first.pop("top_logprobs")
    assert top == first


def test_the_model_is_asked_only_when_needed(client: FlaskClient, triton: ScriptedTriton) -> None:
    says(triton, "boat")
    chat(client, logprobs=False)
    assert "is_return_log_probs" not in sent(triton.requests[-1])
    chat(client)
    assert sent(triton.requests[-1])["is_return_log_probs"] == ("BOOL", [[True]])
