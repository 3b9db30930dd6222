"""vLLM's contract: deltas, whole texts, what is returned on demand, parameters, errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.live.contracts.client import vllm_request
from tests.live.leaving import at_rest
from tests.live.waiting import wait_until

PROMPT = "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"
BEGIN = "<|begin|>"
RETURNED = (
    "return_finish_reason",
    "return_cumulative_logprob",
    "return_logprobs",
    "return_num_input_tokens",
    "return_num_output_tokens",
)


FLAGS = {*RETURNED, "exclude_input_in_output"}


@pytest.fixture
def ask(contracts):
    """All messages of a request."""

    def ask(model="vllm", prompt=PROMPT, parameters=None, *, stream=True, **given):
        flags = {name: given.pop(name) for name in FLAGS & given.keys()}
        sent = {"max_tokens": 12, **given} if parameters is None else parameters
        return contracts.messages(model, vllm_request(prompt, sent, stream=stream, **flags))

    return ask


@pytest.fixture
def answer(ask):
    """The whole text of an answer, streamed."""
    return lambda **given: "".join(message.text() for message in ask(**given))


@pytest.fixture
def expected(greedy, encode, decode):
    return decode(greedy(encode(BEGIN + PROMPT), 12))


def test_a_stream_is_of_deltas_and_its_last_message_is_final(ask, expected):
    messages = ask()
    assert "".join(message.text() for message in messages) == expected
    assert [message.is_final for message in messages] == [False] * 11 + [True]
    assert {name for message in messages for name in message.tensors} == {"text_output"}
    assert messages[0].tensors["text_output"].shape == (1,)


def test_a_whole_answer_has_the_prompt_unless_excluded(ask, expected):
    (message,) = ask(stream=False)
    assert message.text() == PROMPT + expected
    (message,) = ask(stream=False, exclude_input_in_output=True)
    assert message.text() == expected
    (message,) = ask(exclude_input_in_output=False)
    assert message.error.endswith("`exclude_input_in_output` = False is not allowed.")


def test_the_begin_token_is_always_added(ask, greedy, encode, decode):
    messages = ask(prompt=BEGIN + PROMPT, return_num_input_tokens=True)
    text = "".join(message.text() for message in messages)
    assert text == decode(greedy(encode(BEGIN + BEGIN + PROMPT), 12))
    assert messages[0].tensors["num_input_tokens"].item() == len(encode(BEGIN + BEGIN + PROMPT))


def test_the_older_repeats_the_prompt_and_the_text_and_ends_apart(ask, expected):
    messages = ask("vllm-2310")
    texts = [message.text() for message in messages[:-1]]
    assert texts[-1] == PROMPT + expected
    assert all(text.startswith(PROMPT) for text in texts)
    assert (messages[-1].tensors, messages[-1].is_final) == ({}, True)
    (message, end) = ask("vllm-2310", stream=False)
    assert message.text() == PROMPT + expected
    assert end.tensors == {}


def test_everything_that_can_be_returned(ask, encode, greedy):
    ids = greedy(encode(BEGIN + PROMPT), 9)
    messages = ask(max_tokens=9, logprobs=2, **dict.fromkeys(RETURNED, True))
    reasons = [message.tensors["finish_reason"].tolist() for message in messages]
    assert reasons == [[b"None"]] * 8 + [[b"length"]]
    counts = [message.tensors["num_output_tokens"] for message in messages]
    assert {count.shape for count in counts} == {(1,)}
    assert sum(count.item() for count in counts) == 9
    # Without dimensions, though it is declared with one.
    assert messages[0].tensors["num_input_tokens"].shape == ()
    total = 0.0
    for message, token in zip(messages, ids, strict=True):
        (ranked,) = json.loads(message.tensors["logprobs"][0])
        assert len(ranked) == 2
        assert ranked[str(token)]["rank"] == 1
        assert set(ranked[str(token)]) == {"logprob", "rank", "decoded_token"}
        total += ranked[str(token)]["logprob"]
        assert message.tensors["cumulative_logprob"].item() == pytest.approx(total, abs=1e-4)


def test_the_chosen_token_comes_with_the_best_even_if_it_is_not_one(ask):
    messages = ask(logprobs=1, temperature=1.5, seed=1, max_tokens=40, return_logprobs=True)
    sizes = [len(json.loads(message.tensors["logprobs"][0])[0]) for message in messages]
    assert set(sizes) == {1, 2}


def test_log_probabilities_that_were_not_asked_for(ask):
    message = ask(return_logprobs=True, return_cumulative_logprob=True)[0]
    assert message.tensors["logprobs"].tolist() == [b"null"]
    assert np.isnan(message.tensors["cumulative_logprob"]).all()


def test_the_end_is_not_shown_but_counted(ask, encode, greedy):
    ids = greedy(encode(BEGIN + PROMPT), 60)
    messages = ask(max_tokens=60, return_finish_reason=True, return_num_output_tokens=True)
    last = messages[-1].tensors
    assert (last["finish_reason"].tolist(), last["text_output"].tolist()) == ([b"stop"], [b""])
    counts = [message.tensors["num_output_tokens"].item() for message in messages]
    assert sum(counts) == len(ids) + 1


def test_stop_strings_are_held_back_and_cut(ask, answer, expected):
    stop = expected[6:9]
    cut = expected[: expected.index(stop)]
    assert answer(stop=[stop, "never"]) == cut
    assert answer(stop=stop) == cut
    assert answer(stop=stop, include_stop_str_in_output=True) == cut + stop
    assert answer(stop=stop, min_tokens=12).startswith(expected)
    (message,) = ask(stop=stop, stream=False, return_finish_reason=True)
    assert message.text() == PROMPT + cut
    assert message.tensors["finish_reason"].tolist() == [b"stop"]


def test_stop_tokens_and_the_end_that_is_ignored(answer, encode, greedy, decode, expected):
    ids = greedy(encode(BEGIN + PROMPT), 12)
    assert answer(stop_token_ids=[ids[3]]) == decode(ids[: ids.index(ids[3])])
    whole = answer(max_tokens=60, ignore_eos=True, skip_special_tokens=False)
    assert "<|im_end|>" in whole
    assert "<|im_end|>" not in answer(max_tokens=60, ignore_eos=True)


def test_sampling(answer):
    options = {"temperature": 2.0, "max_tokens": 30}
    assert answer(seed=5, **options) == answer(seed=5, **options)
    assert answer(seed=5, **options) != answer(seed=6, **options)
    # Without a seed it is another text each time.
    assert len({answer(**options) for _ in range(3)}) > 1
    plain = answer(max_tokens=30)
    for limits in ({"top_k": 1}, {"min_p": 1.0}, {"top_p": 1e-6}):
        assert answer(**options, **limits) == plain


def test_penalties_bias_and_bad_words(answer, encode, expected):
    for name in ("presence_penalty", "frequency_penalty"):
        assert answer(**{name: -2.0}, max_tokens=40) != ""
    assert answer(repetition_penalty=50.0) != expected
    (token,) = encode("!")
    assert set(answer(logit_bias={str(token): 100})) == {"!"}
    word = expected.split()[0]
    assert not answer(bad_words=[word]).startswith(word)


def test_several_answers_at_once(ask):
    (message,) = ask(n=2, stream=False, temperature=2.0, seed=1, exclude_input_in_output=True)
    first, second = message.tensors["text_output"].tolist()
    assert first != second


@pytest.mark.parametrize(
    ("guide", "fits"),
    [
        ({"choice": ["red", "green", "blue"]}, lambda text: text in ("red", "green", "blue")),
        ({"regex": r"[0-9]{3}-[a-c]{1,4}?x"}, lambda text: text[3] == "-" and text[-1] == "x"),
        ({"json_object": True}, lambda text: isinstance(json.loads(text), dict)),
        (
            {"json": {"type": "array", "items": {"enum": ["a", 1]}, "minItems": 2}},
            lambda text: len(json.loads(text)) >= 2,
        ),
    ],
)
@pytest.mark.parametrize("temperature", [0, 1.5])
def test_structured_outputs_are_enforced(answer, guide, fits, temperature):
    given = {"structured_outputs": json.dumps(guide), "temperature": temperature, "seed": 3}
    assert fits(answer(max_tokens=400, **given))


def test_structured_outputs_have_an_older_name(answer):
    assert answer(guided_decoding=json.dumps({"choice": ["red", "green"]})) in ("red", "green")


NO_NAME = "Error generating stream: 'NoneType' object has no attribute 'lora_name'"


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": -1},
        {"top_p": 0},
        {"max_tokens": 0},
        {"max_tokens": None},
        {"seed": None},
        {"nonsense": 1},
        {"structured_outputs": {"choice": ["a"]}},
        {"structured_outputs": '{"choice": ["a"], "regex": "b"}'},
        {"stop": [""]},
        {"presence_penalty": 3},
    ],
)
def test_every_mistake_in_the_parameters_reads_the_same(ask, counters, given):
    before = counters("vllm")
    (message,) = ask(**given)
    assert message.error == NO_NAME
    assert counters("vllm").failed == before.failed + 1


def test_the_older_names_the_mistake_and_knows_fewer_parameters(ask):
    for name, value in (("seed", 1), ("logit_bias", {}), ("structured_outputs", "{}")):
        message = ask("vllm-2310", parameters={name: value})[0]
        assert message.error.startswith("Error generating stream: ")
        assert f"unexpected keyword argument '{name}'" in message.error


def test_a_prompt_that_is_too_long(ask):
    (message,) = ask(prompt="a " * 3000)
    assert "is longer than the maximum model length of 2048" in message.error


def test_a_cancelled_stream_stops(contracts, counters):
    before = at_rest(counters, "vllm")
    sent = {"max_tokens": 1900, "ignore_eos": True}
    stream = contracts.stream("vllm", vllm_request(PROMPT, sent, stream=True))
    stream.next()
    stream.cancel()
    wait_until(lambda: counters("vllm").cancelled == before.cancelled + 1, "the cancellation")
    assert counters("vllm").tokens - before.tokens < 1900
