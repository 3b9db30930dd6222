"""Each parameter does to a real model's answers what it is for."""

from __future__ import annotations

from typing import Any

import pytest

from app.prompting.tokenizers import load_tokenizer
from demo.environment import DEMO
from tests.live.choices import CHAT, COMPLETIONS, Choice, streamed, whole
from tests.live.http import Server

TOKENIZER = load_tokenizer(DEMO / "models/demo-chat")
STORY = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 24}
GREEDY = {**STORY, "temperature": 0}
SUM = {
    "model": "demo-chat",
    "messages": [{"role": "user", "content": "What is 3 + 4?"}],
    "temperature": 0,
    "max_tokens": 60,
}


def ids_of(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False)


def completions(gateway: Server, body: Any) -> list[Choice]:
    return whole(gateway, COMPLETIONS, body)[0]


def completion(gateway: Server, body: Any) -> Choice:
    (choice,) = completions(gateway, body)
    return choice


def chat(gateway: Server, body: Any) -> Choice:
    (choice,) = whole(gateway, CHAT, body)[0]
    return choice


def texts(choices: list[Choice]) -> list[str]:
    return [choice.text for choice in choices]


# ---- several answers


def test_choices_differ_and_a_seed_repeats_them(gateway: Server) -> None:
    body = {**STORY, "n": 4, "seed": 7}
    found = texts(completions(gateway, body))
    assert len(set(found)) > 2
    assert texts(completions(gateway, body)) == found
    assert texts(completions(gateway, {**body, "seed": 8}))[:3] == found[1:], "seeds count up"
    assert texts(completions(gateway, {**STORY, "seed": 9}))[0] == found[2]


def test_without_a_seed_nothing_is_repeated(gateway: Server) -> None:
    body = {**STORY, "n": 4}
    assert texts(completions(gateway, body)) != texts(completions(gateway, body))


@pytest.mark.parametrize("more", [{}, {"temperature": 0}, {"top_k": 5, "logprobs": 0}])
def test_a_batch_answers_as_requests_side_by_side(gateway: Server, more: dict[str, Any]) -> None:
    prompts = ["Once upon a time, in a small village", "One", "你好", "The sun"]
    body = {**STORY, "prompt": prompts, "n": 3, "seed": 5, **more}
    alone, usage = whole(gateway, COMPLETIONS, body)
    together, other = whole(gateway, COMPLETIONS, {**body, "model": "demo-chat-batched"})
    assert texts(together) == texts(alone)
    assert [choice.finish_reason for choice in together] == [c.finish_reason for c in alone]
    assert other == usage
    for one, batched in zip(alone, together, strict=True):
        assert batched.logprobs == pytest.approx(one.logprobs, abs=1e-3)


@pytest.mark.parametrize("model", ["demo-chat", "demo-chat-batched"])
def test_as_many_answers_as_a_request_may_have(gateway: Server, model: str) -> None:
    body = {**STORY, "model": model, "prompt": ["One"] * 16, "n": 16, "max_tokens": 2, "seed": 1}
    found, usage = whole(gateway, COMPLETIONS, body)
    assert len(found) == 256
    assert usage["completion_tokens"] <= 512
    # Each prompt has the same seeds.
    assert texts(found) == texts(found[:16]) * 16
    refused = gateway.post(COMPLETIONS, {**body, "prompt": ["One"] * 17})
    assert (refused.status, refused.json()["error"]["param"]) == (400, "prompt")


def test_the_best_is_the_likeliest(gateway: Server) -> None:
    body = {**STORY, "seed": 3, "logprobs": 0, "temperature": 1.2}
    candidates = completions(gateway, {**body, "n": 5})
    answers, usage = whole(gateway, COMPLETIONS, {**body, "n": 2, "best_of": 5})
    ranked = sorted(candidates, key=lambda choice: -total(choice))
    assert texts(answers) == texts(ranked[:2])
    assert usage["completion_tokens"] == sum(len(choice.tokens) for choice in candidates)


def total(choice: Choice) -> float:
    return sum(value for value in choice.logprobs if value is not None)


# ---- log-probabilities


@pytest.mark.parametrize("model", ["demo-chat", "ft-step1", "demo-chat-batched"])
def test_the_greedy_token_is_the_likeliest(gateway: Server, model: str) -> None:
    first = {**STORY, "model": model, "prompt": "One", "max_tokens": 1, "logprobs": 0}
    greedy = completion(gateway, {**first, "temperature": 0})
    sampled = completions(gateway, {**first, "n": 16, "seed": 1})
    assert len({choice.text for choice in sampled}) > 2
    for choice in sampled:
        assert total(choice) <= total(greedy) + 1e-4
        assert (total(choice) == pytest.approx(total(greedy), abs=1e-4)) == (
            choice.text == greedy.text
        )
    assert -20 < total(greedy) < 0, "within a top-k of 1 it would be 0"


def test_alternatives_of_a_greedy_answer(gateway: Server) -> None:
    plain = completion(gateway, GREEDY)
    choice = completion(gateway, {**GREEDY, "logprobs": 1})
    assert choice.text == plain.text
    pairs = zip(choice.tokens, choice.logprobs, strict=True)
    assert choice.top == [{token: value} for token, value in pairs]


def test_an_echo_with_logprobs(gateway: Server) -> None:
    body = {**GREEDY, "prompt": "One 你好 day", "logprobs": 0, "echo": True}
    choice = completion(gateway, body)
    assert choice.text.startswith("One 你好 day")
    assert choice.logprobs[: len(ids_of("One 你好 day"))] == [None] * len(ids_of("One 你好 day"))
    assert None not in choice.logprobs[len(ids_of("One 你好 day")) :]
    nothing_new = completion(gateway, {**GREEDY, "echo": True, "max_tokens": 0})
    assert (nothing_new.text, nothing_new.finish_reason) == ("Once upon a time", "length")


# ---- bans


@pytest.mark.parametrize("place", [0, 3])
def test_a_banned_token_is_not_said(gateway: Server, place: int) -> None:
    plain = completion(gateway, {**GREEDY, "logprobs": 0})
    ban = ids_of(plain.text)[place]
    banned = completion(gateway, {**GREEDY, "logprobs": 0, "logit_bias": {str(ban): -100}})
    assert plain.tokens[place] not in banned.tokens
    assert banned.text[: len("".join(plain.tokens[:place]))] == "".join(plain.tokens[:place])


def test_a_bad_word_is_not_said(gateway: Server) -> None:
    plain = completion(gateway, GREEDY).text
    word = next(word for word in plain.split() if word.isalpha() and len(word) > 3)
    assert word not in completion(gateway, {**GREEDY, "bad_words": [word]}).text.split()


# ---- ends


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_token_that_stops(gateway: Server, is_kept: bool) -> None:
    plain = completion(gateway, {**GREEDY, "logprobs": 0})
    ids = ids_of(plain.text)
    place = next(place for place in range(3, len(ids)) if ids[place] not in ids[:place])
    body = {**GREEDY, "stop_token_ids": [ids[place]], "include_stop_str_in_output": is_kept}
    (choice,), usage = whole(gateway, COMPLETIONS, body)
    assert choice.text == "".join(plain.tokens[: place + is_kept])
    assert (choice.finish_reason, choice.stop_reason) == ("stop", ids[place])
    assert usage["completion_tokens"] == place + is_kept


def test_an_endless_answer_goes_on_to_its_length(gateway: Server) -> None:
    ended, usage = whole(gateway, CHAT, SUM)
    assert ended[0].finish_reason == "stop"
    assert usage["completion_tokens"] < 60
    (endless,), usage = whole(gateway, CHAT, {**SUM, "ignore_eos": True})
    assert (endless.finish_reason, usage["completion_tokens"]) == ("length", 60)
    assert endless.text.startswith(ended[0].text)


def test_special_tokens_are_shown_on_request(gateway: Server) -> None:
    body = {**SUM, "ignore_eos": True}
    hidden, shown = chat(gateway, body), chat(gateway, {**body, "skip_special_tokens": False})
    assert "<|im_end|>" not in hidden.text
    assert "<|im_end|>" in shown.text
    assert shown.text.startswith(f"{chat(gateway, SUM).text}<|im_end|>")


def test_no_fewer_tokens_than_min_tokens(gateway: Server) -> None:
    body = {**SUM, "model": "ft-presence"}
    (plain,), usage = whole(gateway, CHAT, body)
    least = usage["completion_tokens"] + 7
    (longer,), more = whole(gateway, CHAT, {**body, "min_tokens": least})
    assert more["completion_tokens"] >= least
    assert longer.text.startswith(plain.text)
    stop = plain.text[1:3]
    assert chat(gateway, {**body, "stop": stop}).stop_reason == stop
    kept = chat(gateway, {**body, "stop": stop, "min_tokens": usage["completion_tokens"]})
    assert plain.text in kept.text


# ---- penalties, beams, the middle


def test_a_presence_penalty_makes_new_tokens_likelier(gateway: Server) -> None:
    prompts = ["Once upon a time", "One day", "The sun"]
    body = {**GREEDY, "model": "ft-presence", "prompt": prompts, "max_tokens": 60, "logprobs": 0}

    def num_distinct(penalty: float) -> int:
        fields = {"presence_penalty": penalty, "ignore_eos": True}
        return sum(len(set(c.tokens)) for c in completions(gateway, {**body, **fields}))

    assert num_distinct(-2) < num_distinct(0) < num_distinct(2)


def test_beams_are_at_least_as_likely_as_the_greedy_answer(gateway: Server) -> None:
    body = {**STORY, "logprobs": 0, "max_tokens": 12, "ignore_eos": True}
    greedy = completion(gateway, {**body, "temperature": 0})
    beams = completions(gateway, {**body, "beam_width": 4, "n": 4})
    assert len(set(texts(beams))) == 4
    sums = [total(choice) for choice in beams]
    assert sums == sorted(sums, reverse=True)
    assert sums[0] >= total(greedy) - 1e-3
    assert texts(completions(gateway, {**body, "use_beam_search": True, "best_of": 4})) == [
        beams[0].text
    ]
    assert all(choice.finish_reason == "length" for choice in beams)


@pytest.mark.parametrize("model", ["demo-chat", "demo-chat-batched"])
def test_every_prompt_has_its_own_beams(gateway: Server, model: str) -> None:
    body = {**STORY, "model": model, "beam_width": 3, "n": 2, "stop": "."}
    prompts = ["Once upon a time", "你好", "One"]
    together = completions(gateway, {**body, "prompt": prompts})
    alone = [completions(gateway, {**body, "prompt": prompt}) for prompt in prompts]
    assert texts(together) == [choice.text for choices in alone for choice in choices]


def test_beams_are_not_streamed(gateway: Server) -> None:
    answer = gateway.post(COMPLETIONS, {**STORY, "use_beam_search": True, "n": 2, "stream": True})
    assert (answer.status, answer.json()["error"]["param"]) == (400, "use_beam_search")


def test_the_middle_is_asked_for_as_the_model_wants_it(gateway: Server) -> None:
    body = {"model": "parrot-fim", "prompt": "before", "suffix": "after ", "max_tokens": 20}
    assert completion(gateway, body).text == "after before"
    assert completion(gateway, {**body, "echo": True}).text == "beforeafter before"
    stream = streamed(gateway, COMPLETIONS, body, 1)
    assert texts(stream.choices) == ["after before"]


# ---- what a model says of itself, and refuses


def test_capabilities_are_what_the_models_declare(gateway: Server) -> None:
    plain = gateway.get("/v1/models/demo-chat").json()["capabilities"]
    assert "presence_penalty" not in plain["parameters"]
    assert "min_tokens" not in plain["parameters"]
    assert plain["logprobs"] is plain["beam_search"] is plain["chat"] is True
    more = gateway.get("/v1/models/ft-presence").json()["capabilities"]
    assert {"presence_penalty", "min_tokens"} < set(more["parameters"])
    assert gateway.get("/v1/models/parrot-fim").json()["capabilities"]["suffix"] is True


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"min_tokens": 3}, "min_tokens"),
        ({"min_p": 0.1}, "min_p"),
        ({"logit_bias": {"7": 5}}, "logit_bias"),
        ({"logit_bias": {"999999": -100}}, "logit_bias"),
        ({"logprobs": 2}, "logprobs"),
        ({"suffix": "x"}, "suffix"),
        ({"guided_regex": "a"}, "guided_regex"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"echo": True, "logprobs": 0, "max_tokens": 0}, "logprobs"),
        ({"stop_token_ids": [999999]}, "stop_token_ids"),
    ],
)
def test_what_the_model_cannot_do(gateway: Server, fields: dict[str, Any], param: str) -> None:
    answer = gateway.post(COMPLETIONS, {**STORY, **fields})
    error = answer.json()["error"]
    assert (answer.status, error["param"]) == (400, param)
    assert param in error["message"]
    assert len(error["message"]) > len(param) + 20
