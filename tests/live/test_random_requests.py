"""Laws that hold whatever is asked for, on a real Triton."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.prompting.tokenizers import load_tokenizer
from demo.environment import DEMO
from tests.live.choices import CHAT, COMPLETIONS, Choice, streamed, whole
from tests.live.http import Server

TOKENIZER = load_tokenizer(DEMO / "models/demo-chat")
NUM_COMPLETIONS, NUM_CHATS, NUM_RANKED = 40, 30, 20
MAX_TOKENS = 24
LAWS = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)

MODELS = (
    "demo-chat",
    "ft-step1",
    "demo-chat-batched",
    "ft-presence",
    "ft-int32",
)
TEXTS = ("Once upon a time", "你好", "What is 3 + 4?", "怎么启动服务器？", "One day 😊", "The")
USERS = ("你好", "你好！😊", "Tell me a story.", "What is 3 + 4?", "How do I start the server?")
LIKELY = (" the", "\n", ".", "a", "e ", " and", "。", "的", "，", "!", "time", "你", "ver", "😊")
LIKELY_IDS = sorted({TOKENIZER.encode(text, add_special_tokens=False)[0] for text in LIKELY})


def prompts() -> st.SearchStrategy[Any]:
    one = st.sampled_from(TEXTS)
    ids = one.map(lambda text: list(TOKENIZER.encode(text)))
    return st.one_of(
        one, ids, st.lists(one, min_size=1, max_size=3), st.lists(ids, min_size=1, max_size=2)
    )


def some(values: tuple[Any, ...], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=most, unique=True)


SAMPLING: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(MODELS),
    "max_tokens": st.integers(1, MAX_TOKENS),
    "n": st.integers(1, 3),
    "temperature": st.sampled_from([0, 0.5, 1.0, 1.7]),
    "top_p": st.sampled_from([None, 1.0, 0.9, 0.3, 0]),
    "top_k": st.sampled_from([None, -1, 1, 5, 40]),
    "repetition_penalty": st.sampled_from([None, 1.0, 1.3]),
    "seed": st.integers(0, 2**64 - 1),
    "stop": some(LIKELY),
    "stop_token_ids": some(tuple(LIKELY_IDS)),
    "include_stop_str_in_output": st.booleans(),
    "ignore_eos": st.booleans(),
    "skip_special_tokens": st.booleans(),
    "logit_bias": some(tuple(LIKELY_IDS), 3).map(lambda ids: {str(item): -100 for item in ids}),
    "bad_words": some(LIKELY),
    "extras": st.fixed_dictionaries(
        {"min_tokens": st.integers(0, 8), "presence_penalty": st.sampled_from([0, -1, 1.5])}
    ),
}


def with_extras(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that only one of the models has, as far as the others allow them."""
    extras = body.pop("extras")
    if body["model"] == "ft-presence":
        extras["min_tokens"] = min(extras["min_tokens"], body["max_tokens"])
        if extras["presence_penalty"]:
            body["repetition_penalty"] = None
        body.update(extras)
    return body


COMPLETION = st.fixed_dictionaries(
    {
        **SAMPLING,
        "prompt": prompts(),
        "echo": st.booleans(),
        "logprobs": st.sampled_from([None, 0]),
    }
).map(with_extras)
CONVERSATION = st.fixed_dictionaries(
    {
        **SAMPLING,
        "messages": st.sampled_from(USERS).map(lambda text: [{"role": "user", "content": text}]),
        "logprobs": st.booleans(),
    }
).map(with_extras)


def all_prompts(prompt: Any) -> list[Any]:
    is_many = isinstance(prompt, list) and isinstance(prompt[0], (str, list))
    return prompt if is_many else [prompt]


@settings(LAWS, max_examples=NUM_COMPLETIONS)
@given(body=COMPLETION)
def test_completions(gateway: Server, body: dict[str, Any]) -> None:
    check(gateway, COMPLETIONS, body, body["n"] * len(all_prompts(body["prompt"])))


@settings(LAWS, max_examples=NUM_CHATS)
@given(body=CONVERSATION)
def test_chat(gateway: Server, body: dict[str, Any]) -> None:
    check(gateway, CHAT, body, body["n"])


@settings(LAWS, max_examples=NUM_RANKED)
@given(
    body=COMPLETION,
    most=st.integers(2, 4),
    kind=st.sampled_from(["best_of", "beam_width"]),
)
def test_the_best_of_several(gateway: Server, body: dict[str, Any], most: int, kind: str) -> None:
    """What cannot be streamed: candidates that are compared at their end."""
    body = {**body, "logprobs": 0, "stop": [], "n": min(body["n"], most), kind: most}
    found, usage = whole(gateway, COMPLETIONS, body)
    count = len(all_prompts(body["prompt"]))
    assert len(found) == body["n"] * count
    scored = [[value for value in choice.logprobs if value is not None] for choice in found]
    for choice, values in zip(found, scored, strict=True):
        check_end(choice, len(values), body)
        check_logprobs(choice, len(values), body)
    if kind == "beam_width" or most == body["n"]:
        assert usage["completion_tokens"] == sum(map(len, scored))
        return
    assert sum(map(len, scored)) <= usage["completion_tokens"] <= count * most * body["max_tokens"]
    for at in range(0, len(found), body["n"]):
        sums = [sum(values) for values in scored[at : at + body["n"]]]
        assert sums == sorted(sums, reverse=True)


def check(gateway: Server, path: str, body: dict[str, Any], num_choices: int) -> None:
    found, usage = whole(gateway, path, body)
    stream = streamed(gateway, path, body, num_choices)
    assert len(found) == num_choices
    for one, other in zip(found, stream.choices, strict=True):
        check_same(one, other)
    assert stream.usage == usage
    assert sum(stream.counts) == usage["completion_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    for choice, count in zip(found, stream.counts, strict=True):
        check_end(choice, count, body)
        check_stops(choice, body)
        check_logprobs(choice, count, body)


def check_same(one: Choice, other: Choice) -> None:
    assert other.text == one.text
    assert (other.finish_reason, other.stop_reason) == (one.finish_reason, one.stop_reason)
    assert (other.tokens, other.offsets) == (one.tokens, one.offsets)
    assert other.logprobs == [
        None if value is None else pytest.approx(value, abs=1e-3) for value in one.logprobs
    ]


def check_end(choice: Choice, count: int, body: Mapping[str, Any]) -> None:
    """The end token is not counted, and a length is the whole length."""
    most, reason = body["max_tokens"], choice.stop_reason
    if choice.finish_reason == "length":
        assert (count, reason) == (most, None)
    else:
        assert choice.finish_reason == "stop"
        is_counted = isinstance(reason, str) or (reason and body["include_stop_str_in_output"])
        assert count <= most - (not is_counted)
        assert reason is None or reason in (*body["stop"], *body["stop_token_ids"])
    least = body.get("min_tokens", 0)
    if isinstance(reason, str):
        assert count > least, "stop strings count from then on"
    if body["ignore_eos"]:
        assert choice.finish_reason == "length" or reason is not None


def check_stops(choice: Choice, body: Mapping[str, Any]) -> None:
    """No stop string is in the text, but for the one at its end that was asked for."""
    if body.get("min_tokens"):
        return
    text = choice.text
    if body.get("echo"):
        # What the prompt holds is nobody's stop string.
        text = text[len(echoed(text, body["prompt"])) :]
    if isinstance(choice.stop_reason, str) and body["include_stop_str_in_output"]:
        assert text.endswith(choice.stop_reason)
        text = text[:-1]
    assert not any(stop in text for stop in body["stop"])


def echoed(text: str, prompt: Any) -> str:
    forms = [
        item if isinstance(item, str) else TOKENIZER.decode(item) for item in all_prompts(prompt)
    ]
    return max((form for form in forms if text.startswith(form)), key=len)


def check_logprobs(choice: Choice, count: int, body: Mapping[str, Any]) -> None:
    """There is one for each token, and its offset is where its text is."""
    if body["logprobs"] is None or body["logprobs"] is False:
        assert choice.tokens == []
        return
    scored = [value for value in choice.logprobs if value is not None]
    assert all(-1e6 < value <= 1e-6 for value in scored)
    has_cut = isinstance(choice.stop_reason, str) and not body["include_stop_str_in_output"]
    assert len(scored) <= count if has_cut else len(scored) == count
    assert choice.offsets == sorted(choice.offsets)
    if body["skip_special_tokens"] or "\ufffd" in choice.text:
        return
    for token, offset in zip(choice.tokens, choice.offsets, strict=False):
        if not token.startswith("bytes:"):
            # A stop string may have cut the last token.
            assert token.startswith(choice.text[offset : offset + len(token)])
