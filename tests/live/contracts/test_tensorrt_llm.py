"""TensorRT-LLM's tensor-level contract: messages, batches, options, ends, errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.live.contracts import SLOW_MODEL
from tests.live.contracts.client import tensor_request, tensor_request_v05
from tests.live.leaving import FEW_TOKENS, at_rest
from tests.live.waiting import wait_until

PROMPT = [0, 1, 294, 202, 834, 4, 2, 202, 1, 295, 202]
OTHER = [0, 75, 76]
NEVER = -1


@pytest.fixture
def ask(contracts):
    """All messages of a request to trt-llm."""

    def ask(rows=(PROMPT,), max_tokens=8, model="trt-llm", **options):
        options = {"streaming": True, **options}
        make = tensor_request_v05 if model == "trt-llm-v05" else tensor_request
        return contracts.messages(model, make(list(map(list, rows)), max_tokens, **options))

    return ask


def ids(message):
    return message.tensors["output_ids"][0, 0].tolist()


def tokens(messages):
    return [token for message in messages if message.tensors for token in ids(message)]


def word_list(*words):
    """`[1, 2, N]`."""
    flat = [token for word in words for token in word]
    ends = np.cumsum([len(word) for word in words]).tolist()
    ends += [-1] * (len(flat) - len(ends))
    return np.array([[flat, ends]], np.int32)


def test_a_stream_has_new_tokens_and_their_number_only(ask, greedy):
    messages = ask()
    assert tokens(messages) == greedy(PROMPT, 8)
    for message in messages:
        assert set(message.tensors) == {"output_ids", "sequence_length"}
        assert message.tensors["sequence_length"].tolist() == [[1]]
        assert message.tensors["output_ids"].shape == (1, 1, 1)
        assert {each.dtype for each in message.tensors.values()} == {np.dtype(np.int32)}


def test_the_last_message_holds_tokens_and_the_flag(ask):
    flags = [message.is_final for message in ask()]
    assert flags == [False] * 7 + [True]


def test_the_newer_wrapper_sends_the_flag_alone(ask):
    messages = ask(model="trt-llm-v020")
    assert [message.is_final for message in messages] == [False] * 8 + [True]
    assert messages[-1].tensors == {}
    assert len(tokens(messages)) == 8


def test_the_end_token_is_left_out_and_leaves_an_empty_message(ask, greedy):
    expected = greedy(PROMPT, 60)
    messages = ask(max_tokens=60)
    assert len(expected) < 60
    assert tokens(messages) == expected
    last = messages[-1].tensors
    assert last["sequence_length"].tolist() == [[0]]
    assert last["output_ids"].shape == (1, 1, 0)


def test_the_oldest_gives_ids_only_with_the_end_token(ask, greedy):
    messages = ask(max_tokens=60, model="trt-llm-v05")
    assert tokens(messages) == [*greedy(PROMPT, 60), 2]
    assert {name for message in messages for name in message.tensors} == {"output_ids"}


def test_one_answer_has_the_prompt_unless_excluded(ask, contracts, greedy):
    expected = greedy(PROMPT, 8)
    (message,) = ask(streaming=False)
    assert ids(message) == PROMPT + expected
    assert message.tensors["sequence_length"].tolist() == [[len(PROMPT) + 8]]
    (message,) = ask(streaming=False, exclude_input_in_output=True)
    assert ids(message) == expected
    plain = contracts.unary("trt-llm-plain", tensor_request([PROMPT], 8))
    assert ids(plain) == PROMPT + expected
    # Here the model's own parameter excludes it.
    assert tokens(ask(streaming=False, model="trt-llm-v020")) == expected


def test_a_batch_is_told_apart_by_its_index(ask, greedy):
    messages = ask([PROMPT, OTHER], 6)
    rows: dict[int, list[int]] = {0: [], 1: []}
    for message in messages:
        assert message.tensors["output_ids"].shape[:2] == (1, 1)
        rows[int(message.tensors["batch_index"][0, 0])] += ids(message)
    assert rows == {0: greedy(PROMPT, 6), 1: greedy(OTHER, 6)}
    assert [int(message.tensors["batch_index"][0, 0]) for message in messages[:4]] == [0, 1, 0, 1]
    assert sum(message.is_final for message in messages) == 1


def test_several_sequences_are_told_apart_by_their_index(ask):
    options = {"num_return_sequences": 2, "runtime_top_p": 1.0, "temperature": 2.0}
    messages = ask(**options)
    rows: dict[int, list[int]] = {0: [], 1: []}
    for message in messages:
        rows[int(message.tensors["sequence_index"][0, 0])] += ids(message)
    assert rows[0] != rows[1]


def test_without_a_seed_the_text_is_always_the_same(ask):
    any_text = {"runtime_top_p": 1.0, "temperature": 3.0}
    assert tokens(ask(**any_text)) == tokens(ask(**any_text))
    assert tokens(ask(**any_text)) == tokens(ask(**any_text, random_seed=0))
    assert tokens(ask(**any_text, random_seed=5)) != tokens(ask(**any_text))
    newer = tokens(ask(model="trt-llm-v020", **any_text, seed=5))
    assert newer == tokens(ask(**any_text, random_seed=5))


def test_log_probabilities_of_the_message_and_of_all(ask):
    options = {"runtime_top_p": 1.0, "return_log_probs": True}
    messages = ask(**options)
    values = [message.tensors["output_log_probs"] for message in messages]
    assert {value.shape for value in values} == {(1, 1, 1)}
    totals = [message.tensors["cum_log_probs"].item() for message in messages]
    assert np.allclose(np.cumsum([value.item() for value in values]), totals, atol=1e-4)
    (whole,) = ask(streaming=False, **options)
    assert whole.tensors["output_log_probs"].shape == (1, 1, 8)
    assert whole.tensors["cum_log_probs"].item() == pytest.approx(totals[-1], abs=1e-4)


def test_logits_of_the_prompt_and_of_the_new_tokens(ask, greedy):
    first, *others = ask(return_context_logits=True, return_generation_logits=True, max_tokens=3)
    assert first.tensors["context_logits"].shape == (1, len(PROMPT), 3072)
    assert first.tensors["context_logits"][0, -1].argmax() == greedy(PROMPT, 1)[0]
    assert all("context_logits" not in message.tensors for message in others)
    for message in (first, *others):
        assert message.tensors["generation_logits"].shape == (1, 1, 1, 3072)
        assert message.tensors["generation_logits"].argmax() == ids(message)[0]


def test_a_bias_is_added_to_the_logits(ask):
    bias = np.zeros((1, 3072), np.float32)
    bias[0, 77] = 100.0
    assert tokens(ask(embedding_bias=bias, max_tokens=3)) == [77] * 3


def test_word_lists(ask, greedy):
    text = greedy(PROMPT, 8)
    assert tokens(ask(stop_words_list=word_list([9999], text[2:4]))) == text[:4]
    assert text[0] not in tokens(ask(bad_words_list=word_list(text[:1])))


def test_a_minimum_and_penalties(ask, greedy):
    text = greedy(PROMPT, 8)
    assert len(tokens(ask(end_id=text[1]))) == 1
    assert len(tokens(ask(end_id=text[1], min_length=5))) >= 5
    assert len(tokens(ask(model="trt-llm-v020", end_id=text[1], min_tokens=5))) >= 5
    for name in ("repetition_penalty", "presence_penalty", "frequency_penalty"):
        assert tokens(ask(**{name: 20.0}, end_id=NEVER)) != text


def test_counts_where_they_are_declared(ask):
    options = {"return_num_input_tokens": True, "return_num_output_tokens": True}
    messages = ask(model="trt-llm-v020", **options)[:-1]
    assert {message.tensors["num_input_tokens"].item() for message in messages} == {len(PROMPT)}
    assert sum(message.tensors["num_output_tokens"].item() for message in messages) == 8


@pytest.mark.parametrize(
    ("kind", "guide", "fits"),
    [
        ("json", None, lambda text: json.loads(text) is not ...),
        (
            "json_schema",
            json.dumps({"type": "object", "properties": {"age": {"type": "integer"}}}),
            lambda text: set(json.loads(text)) <= {"age"},
        ),
        ("regex", r"(yes|no), \d{2}", lambda text: text[-4:-2] == ", "),
    ],
)
@pytest.mark.parametrize("is_greedy", [True, False])
def test_guided_decoding_is_enforced(ask, decode, kind, guide, fits, is_greedy):
    options = {} if is_greedy else {"runtime_top_p": 1.0, "temperature": 2.0}
    options |= {"guided_decoding_guide_type": kind, "guided_decoding_guide": guide}
    assert fits(decode(tokens(ask(model="trt-llm-v020", max_tokens=400, **options))))


def endless(contracts, name=""):
    """A stream of 20 tokens a second that has begun, and 95 s to go."""
    arrays = tensor_request([PROMPT], 1900, streaming=True, end_id=NEVER)
    stream = contracts.stream(SLOW_MODEL, arrays, name)
    stream.next()
    return stream


def test_a_request_is_stopped_by_another_of_its_name(contracts, counters):
    before = at_rest(counters, SLOW_MODEL)
    stream = endless(contracts, "one")
    (answer,) = contracts.stream(SLOW_MODEL, tensor_request([[0]], 1, stop=True), "one").rest()
    assert (answer.tensors, answer.is_final) == ({}, True)
    assert len(stream.rest()) < FEW_TOKENS
    wait_until(lambda: counters(SLOW_MODEL).cancelled == before.cancelled + 1, "the cancellation")


def test_a_cancelled_request_stops(contracts, counters):
    before = at_rest(counters, SLOW_MODEL)
    endless(contracts).cancel()
    wait_until(lambda: counters(SLOW_MODEL).cancelled == before.cancelled + 1, "the cancellation")
    after = counters(SLOW_MODEL)
    assert (after.completed, after.started) == (before.completed, before.started + 1)
    assert after.tokens - before.tokens < FEW_TOKENS


@pytest.mark.parametrize(
    ("model", "options", "text"),
    [
        ("trt-llm", {"beam_width": 2}, "Requested beam width 2"),
        ("trt-llm", {"max_tokens": 0}, "request_output_len must be at least 1"),
        ("trt-llm", {"max_tokens": 2040}, r"exceeds maximum input length \(8\)"),
        ("trt-llm", {"rows": [[5, 99999]]}, "Invalid input token id 99999"),
        ("trt-llm", {"embedding_bias": np.zeros((1, 5), np.float32)}, "5 not 3072"),
        ("trt-llm", {"stop_words_list": np.array([[[2], [9]]], np.int32)}, "word list offsets"),
        ("trt-llm-plain", {}, "Streaming is only supported in decoupled mode"),
        ("trt-llm-v020", {"guided_decoding_guide_type": "ebnf_grammar"}, "guide string must be"),
    ],
)
def test_failures_are_error_responses(ask, counters, model, options, text):
    before = counters(model)
    with pytest.raises(AssertionError, match=f"due to the following error: .*{text}"):
        raise AssertionError(ask(model=model, **options)[0].error)
    assert counters(model).failed == before.failed + 1


def test_undeclared_tensors_are_refused(ask):
    (message,) = ask(model="trt-llm-v05", random_seed=1, return_log_probs=True)
    assert "unexpected inference input 'return_log_probs'" in message.error
    (message,) = ask(model="trt-llm-v020", random_seed=1)
    assert "unexpected inference input 'random_seed'" in message.error
