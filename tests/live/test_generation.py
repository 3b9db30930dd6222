"""Completions and chat on a real Triton, whole and streamed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live.http import Server

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
CONVERSATIONS = (
    "你好",
    "你好！😊",
    "How do I start the server?",
    "Tell me a story.",
    "What is 3 + 4?",
    "怎么启动服务器？",
)


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "model": "demo-chat",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        **fields,
    }


def completion(prompt: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "demo-chat", "prompt": prompt, "temperature": 0, **fields}


def text_of_chat(events: list[dict[str, Any]]) -> str:
    deltas = (choice["delta"] for event in events for choice in event["choices"])
    return "".join(delta.get("content") or "" for delta in deltas)


def texts(events: list[dict[str, Any]], num_choices: int) -> list[str]:
    pieces = [""] * num_choices
    for event in events:
        for choice in event["choices"]:
            pieces[choice["index"]] += choice["text"]
    return pieces


@pytest.mark.parametrize("text", CONVERSATIONS)
def test_the_stream_of_a_chat_equals_its_whole_answer(gateway: Server, text: str) -> None:
    whole = gateway.post(CHAT, chat(text)).json()
    events = gateway.events(CHAT, chat(text))
    message = whole["choices"][0]["message"]
    assert text_of_chat(events) == message["content"]
    assert len(message["content"]) > 3
    assert events[-1]["usage"] == whole["usage"]
    assert events[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]


def test_a_chinese_answer_holds_an_emoji_and_no_replacement_character(gateway: Server) -> None:
    answer = gateway.post(CHAT, chat("你好")).json()["choices"][0]["message"]["content"]
    assert any(ord(character) > 0xFFFF for character in answer)
    assert "\N{REPLACEMENT CHARACTER}" not in answer


def test_a_chat_stream_begins_with_the_role_and_ends_with_the_reason(gateway: Server) -> None:
    events = gateway.events(CHAT, chat("What is 3 + 4?"))
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert events[-1]["choices"][0]["delta"] == {}
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert all(event["choices"][0]["finish_reason"] is None for event in events[:-1])
    assert len({(event["id"], event["created"]) for event in events}) == 1


@pytest.mark.parametrize("model", ["ft-plain", "ft-int32", "ft-mask", "ft-step1"])
def test_every_form_of_the_contract_gives_the_same_answer(gateway: Server, model: str) -> None:
    for body in (chat("Tell me a story."), chat("你好")):
        expected = gateway.post(CHAT, body).json()
        answer = gateway.post(CHAT, {**body, "model": model}).json()
        assert answer["choices"] == expected["choices"]
        assert answer["usage"] == expected["usage"]
        streamed = gateway.events(CHAT, {**body, "model": model})
        assert text_of_chat(streamed) == expected["choices"][0]["message"]["content"]


def test_length_is_the_reason_when_the_limit_is_reached(gateway: Server) -> None:
    answer = gateway.post(COMPLETIONS, completion("Once upon a time", max_tokens=7)).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 7


def test_a_completion_has_16_tokens_unless_told_otherwise(gateway: Server) -> None:
    usage = gateway.post(COMPLETIONS, completion("Once upon a time")).json()["usage"]
    assert usage["completion_tokens"] == 16


def test_a_chat_may_use_all_that_is_left_of_the_context(gateway: Server) -> None:
    answer = gateway.post(CHAT, chat("Tell me a long story.")).json()
    assert answer["usage"]["completion_tokens"] > 16
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_across_tokens_ends_the_text_before_it(gateway: Server, stream: bool) -> None:
    plain = gateway.post(COMPLETIONS, completion("Once upon a time", max_tokens=60)).json()
    text = plain["choices"][0]["text"]
    stop = text[20:31]
    body = completion("Once upon a time", max_tokens=60, stop=[stop, "never this"])
    if stream:
        events = gateway.events(COMPLETIONS, body)
        choice = events[-1]["choices"][0]
        found = texts(events, 1)[0]
    else:
        choice = gateway.post(COMPLETIONS, body).json()["choices"][0]
        found = choice["text"]
    assert found == text[: text.index(stop)]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)


def test_tokens_after_a_stop_string_are_not_counted(gateway: Server) -> None:
    body = completion("Once upon a time", max_tokens=60)
    whole = gateway.post(COMPLETIONS, body).json()["choices"][0]["text"]
    stop = whole[10:14]
    usage = gateway.post(COMPLETIONS, {**body, "stop": stop}).json()["usage"]
    events = gateway.events(COMPLETIONS, {**body, "model": "ft-step1", "stop": stop})
    assert usage == events[-1]["usage"]
    assert usage["completion_tokens"] < 15


def test_several_prompts_are_answered_by_index_whole_and_streamed(gateway: Server) -> None:
    prompts = ["Once upon a time", "One day", "The sun"]
    single = [
        gateway.post(COMPLETIONS, completion(prompt)).json()["choices"][0]["text"]
        for prompt in prompts
    ]
    whole = gateway.post(COMPLETIONS, completion(prompts)).json()
    assert [choice["text"] for choice in whole["choices"]] == single
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    events = gateway.events(COMPLETIONS, completion(prompts))
    assert texts(events, 3) == single
    assert events[-1]["usage"] == whole["usage"]


def test_token_ids_and_their_text_are_the_same_prompt(gateway: Server) -> None:
    by_text = gateway.post(COMPLETIONS, completion("Once upon a time")).json()
    from app.prompting.tokenizers import load_tokenizer
    from demo.environment import DEMO

    ids = load_tokenizer(DEMO / "models/demo-chat").encode("Once upon a time")
    by_ids = gateway.post(COMPLETIONS, completion(ids)).json()
    lists = gateway.post(COMPLETIONS, completion([ids, ids])).json()
    assert by_ids["choices"][0]["text"] == by_text["choices"][0]["text"]
    assert [choice["text"] for choice in lists["choices"]] == [by_text["choices"][0]["text"]] * 2


@pytest.mark.parametrize("stream", [False, True])
def test_echo_puts_the_prompt_before_the_answer(gateway: Server, stream: bool) -> None:
    plain = gateway.post(COMPLETIONS, completion("Once upon a time")).json()["choices"][0]["text"]
    body = completion("Once upon a time", echo=True)
    if stream:
        assert texts(gateway.events(COMPLETIONS, body), 1) == ["Once upon a time" + plain]
    else:
        answer = gateway.post(COMPLETIONS, body).json()
        assert answer["choices"][0]["text"] == "Once upon a time" + plain


def test_the_empty_prompt_is_a_beginning(gateway: Server) -> None:
    answer = gateway.post(COMPLETIONS, completion("")).json()
    assert answer["usage"]["prompt_tokens"] == 1


def test_a_seed_repeats_an_answer_and_no_seed_does_not(gateway: Server) -> None:
    body = completion("Once upon a time", temperature=1.0, max_tokens=40)
    seeded = {
        gateway.post(COMPLETIONS, {**body, "seed": 7}).json()["choices"][0]["text"] for _ in "ab"
    }
    free = {gateway.post(COMPLETIONS, body).json()["choices"][0]["text"] for _ in "abcd"}
    assert len(seeded) == 1
    assert len(free) > 1


def test_a_control_token_in_content_is_plain_text(gateway: Server) -> None:
    plain = gateway.post(CHAT, chat("hello")).json()["usage"]["prompt_tokens"]
    injected = gateway.post(CHAT, chat("hello<|im_end|>")).json()["usage"]["prompt_tokens"]
    assert injected > plain + 1


def test_roles_and_text_parts_are_accepted(gateway: Server) -> None:
    messages = [
        {"role": "developer", "content": "You are helpful."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "3 + 4?"}],
        },
        {"role": "assistant", "content": "3 + 4 = 7."},
        {"role": "user", "content": "What is 2 + 2?"},
    ]
    parts = gateway.post(CHAT, chat("", messages=messages)).json()
    messages[0]["role"] = "system"
    messages[1]["content"] = "What is 3 + 4?"
    assert gateway.post(CHAT, chat("", messages=messages)).json()["choices"] == parts["choices"]


def test_usage_in_streams_follows_stream_options(gateway: Server) -> None:
    body = chat("What is 3 + 4?", stream_options={"include_usage": True})
    events = gateway.events(CHAT, body)
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["completion_tokens"] > 0
    assert all(event["usage"] is None for event in events[:-1])
    running = gateway.events(CHAT, chat("hello", stream_options={"continuous_usage_stats": True}))
    counts = [event["usage"]["completion_tokens"] for event in running]
    assert counts == sorted(counts)
    assert counts[-1] > 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, chat("hello", max_tokens=4000)),
        (COMPLETIONS, completion("hello " * 3000)),
        (COMPLETIONS, completion("hello", max_tokens=2048)),
    ],
)
def test_beyond_the_context_is_400_with_the_numbers(
    gateway: Server, path: str, body: dict[str, Any]
) -> None:
    answer = gateway.post(path, body)
    assert answer.status == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert "2048" in answer.json()["error"]["message"]


def test_ids_outside_the_vocabulary_are_refused(gateway: Server) -> None:
    answer = gateway.post(COMPLETIONS, completion([5, 10**6]))
    assert (answer.status, answer.json()["error"]["param"]) == (400, "prompt")


def test_32_streams_at_once_give_what_each_gives_alone(gateway: Server) -> None:
    prompts = [f"What is {a} + {b}?" for a in range(1, 9) for b in range(1, 5)]
    alone = [
        gateway.post(CHAT, chat(prompt)).json()["choices"][0]["message"]["content"]
        for prompt in prompts
    ]
    with ThreadPoolExecutor(32) as pool:
        together = list(
            pool.map(lambda text: text_of_chat(gateway.events(CHAT, chat(text))), prompts)
        )
    assert together == alone
