"""TensorRT-LLM by text, as `ensemble` and `tensorrt_llm_bls`."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from app.errors import ApiError, BackendError
from tests.backends.jobs import EndCounter, job
from tests.backends.language_models import (
    TEXT_INPUTS,
    TEXT_OUTPUTS,
    TOKENIZER,
    answered,
    flag_message,
    serve,
    tensorrt_llm,
    text_message,
    without,
)
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedTriton, WhenItMay, error_message, message, say, sent

PROMPT = tuple(TOKENIZER.encode("<|im_start|>hello world"))
STORY = "Once upon a time there was a girl, who went to the park: 你好！😊"
DELTAS = (text_message("One"), text_message(" two"), text_message(" three"))


@pytest.fixture(autouse=True)
def model(triton: ScriptedTriton) -> None:
    serve(triton, TEXT_INPUTS, TEXT_OUTPUTS)
    triton.script = say(*DELTAS)


def asked(**more: Any) -> Any:
    return job(**{"prompt_ids": PROMPT, "max_tokens": 40, **more})


def count(text: str) -> int:
    return len(TOKENIZER.encode(text))


def test_text_in_and_pieces_of_text_out(triton: ScriptedTriton) -> None:
    parts = list(tensorrt_llm(triton).generate(asked(temperature=0.5, top_k=4)))
    assert [part.text for part in parts] == ["One", " two", " three", ""]
    assert [part.num_tokens for part in parts] == [1, 2, 3, count("One two three")]
    assert parts[-1].finish_reason == "stop"
    values = sent(triton.requests[-1])
    assert values["text_input"] == ("BYTES", [["<|im_start|>hello world"]])
    assert values["max_tokens"] == ("INT32", [[40]])
    assert values["stream"] == ("BOOL", [[True]])
    assert values["top_k"] == ("INT32", [[4]])
    assert values["exclude_input_in_output"] == ("BOOL", [[True]])
    assert "stop_words" not in values


def test_as_many_tokens_as_asked_for_is_the_length(triton: ScriptedTriton) -> None:
    size = count("One two three")
    last = answered(tensorrt_llm(triton), asked(max_tokens=size))[1]
    assert (last.finish_reason, last.num_tokens) == ("length", size)


def test_each_message_is_a_token_at_least(triton: ScriptedTriton) -> None:
    """The text alone would make fewer, if the model has chosen others than the tokenizer."""
    triton.script = say(*(text_message(letter) for letter in "hello"))
    assert count("hello") < 5
    last = answered(tensorrt_llm(triton), asked(max_tokens=5))[1]
    assert (last.finish_reason, last.num_tokens) == ("length", 5)


def test_an_answer_that_ignores_its_end_has_the_length(triton: ScriptedTriton) -> None:
    last = answered(tensorrt_llm(triton), asked(ignore_eos=True))[1]
    assert (last.finish_reason, last.num_tokens) == ("length", 40)
    assert sent(triton.requests[-1])["end_id"] == ("INT32", [[-1]])


def test_accumulated_text_is_passed_on_once(triton: ScriptedTriton) -> None:
    serve(triton, TEXT_INPUTS, TEXT_OUTPUTS, parameters={"accumulate_tokens": "true"})
    texts = ("你", "你\ufffd", "你\ufffd\ufffd", "你好", "你好!\ufffd")
    triton.script = say(*map(text_message, texts), flag_message())
    parts = list(tensorrt_llm(triton).generate(asked()))
    assert [part.text for part in parts] == ["你", "好", "!", "\ufffd"]


def test_a_half_character_of_a_delta_is_all_there_is(triton: ScriptedTriton) -> None:
    triton.script = say(text_message("a\ufffd"), text_message("\ufffdb"))
    assert answered(tensorrt_llm(triton), asked())[0] == "a\ufffd\ufffdb"


@pytest.mark.parametrize("shown", ["<|im_start|>hello world", "hello world"])
def test_a_whole_answer_that_begins_with_the_prompt(triton: ScriptedTriton, shown: str) -> None:
    inputs = without(TEXT_INPUTS, "exclude_input_in_output")
    serve(triton, inputs, TEXT_OUTPUTS, is_decoupled=False)
    triton.script = say(text_message(f"{shown} and more"))
    assert answered(tensorrt_llm(triton), asked())[0] == " and more"


def test_beams(triton: ScriptedTriton) -> None:
    triton.script = say(message({"text_output": ("BYTES", [[b"one", b"two"]])}))
    parts = list(tensorrt_llm(triton).generate(asked(prompts=[PROMPT, PROMPT], beam_width=2)))
    assert [(part.row, part.text) for part in parts if part.text] == [(0, "one"), (1, "two")]
    assert sent(triton.requests[-1])["stream"] == ("BOOL", [[False]])


def test_a_whole_answer_has_as_many_tokens_as_its_text(triton: ScriptedTriton) -> None:
    serve(triton, TEXT_INPUTS, TEXT_OUTPUTS, is_decoupled=False)
    triton.script = say(text_message(STORY))
    parts = list(tensorrt_llm(triton).generate(asked()))
    assert [part.num_tokens for part in parts] == [count(STORY)] * 2
    assert "".join(part.text or "" for part in parts) == STORY


def test_beams_have_as_many_tokens_as_their_texts(triton: ScriptedTriton) -> None:
    triton.script = say(message({"text_output": ("BYTES", [[STORY.encode(), b"One"]])}))
    parts = list(tensorrt_llm(triton).generate(asked(prompts=[PROMPT, PROMPT], beam_width=2)))
    told = [(part.row, part.num_tokens) for part in parts if part.text]
    assert told == [(0, count(STORY)), (1, count("One"))]


def test_a_message_of_several_tokens_counts_them(triton: ScriptedTriton) -> None:
    first, second = "One day a little", " girl went to the park"
    triton.script = say(text_message(first), text_message(second))
    parts = list(tensorrt_llm(triton).generate(asked()))
    assert parts[0].num_tokens == count(first)
    assert parts[1].num_tokens == count(first) + count(second)
    assert parts[-1].num_tokens == count(first + second)


def test_no_more_tokens_are_told_than_there_may_be(triton: ScriptedTriton) -> None:
    triton.script = say(text_message(STORY))
    assert count(STORY) > 5
    parts = list(tensorrt_llm(triton).generate(asked(max_tokens=5)))
    assert [part.num_tokens for part in parts] == [5, 5]


def test_a_text_in_which_strings_stop_comes_token_by_token(triton: ScriptedTriton) -> None:
    """So that who looks for them knows after which token they are whole."""
    serve(triton, TEXT_INPUTS, TEXT_OUTPUTS, is_decoupled=False)
    triton.script = say(text_message(STORY))
    parts = list(tensorrt_llm(triton).generate(asked(fields={"stop": ("END",)})))
    assert "".join(part.text or "" for part in parts) == STORY
    assert parts[-1].num_tokens == count(STORY)
    for place, part in enumerate(parts[:-1]):
        before = "".join(each.text or "" for each in parts[: place + 1])
        assert part.num_tokens == count(before)
    assert len(parts) > 10


def test_words_are_texts(triton: ScriptedTriton) -> None:
    hello, end = tuple(TOKENIZER.encode("hello")), TOKENIZER.special_tokens["<|endoftext|>"]
    served = tensorrt_llm(triton, stop_words=(hello,), end_ids=(end,), bad_words=(hello,))
    list(served.generate(asked(bad_words=("evil",), fields={"stop": ("END",)})))
    values = sent(triton.requests[-1])
    assert values["bad_words"] == ("BYTES", [["hello", "evil", " evil"]])
    assert values["stop_words"] == ("BYTES", [["hello", "<|endoftext|>", "END", " END"]])


STOP = (tuple(TOKENIZER.encode(" two")),)


def test_the_models_own_stop_word_is_no_part(triton: ScriptedTriton) -> None:
    triton.script = say(*DELTAS[:2])
    text, last = answered(tensorrt_llm(triton, stop_words=STOP), asked(max_tokens=1))
    assert (text, last.finish_reason) == ("One", "stop")


def test_the_text_of_a_stop_word_that_has_not_stopped_the_model(triton: ScriptedTriton) -> None:
    """Its tokens were others, so that the model went on."""
    text, _ = answered(tensorrt_llm(triton, stop_words=STOP), asked())
    assert text == "One two three"


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_stop_token_of_the_request(triton: ScriptedTriton, is_kept: bool) -> None:
    (token,) = TOKENIZER.encode("!")
    triton.script = say(text_message("One!"), text_message(" two"), text_message("!"))
    fields = {"stop_token_ids": (token,), "has_stop_in_output": is_kept}
    text, last = answered(tensorrt_llm(triton), asked(fields=fields))
    assert text == ("One! two!" if is_kept else "One! two")
    assert last.stop_reason == (None if is_kept else token)


def test_an_end_token_that_is_shown_is_cut(triton: ScriptedTriton) -> None:
    triton.script = say(text_message("One"), text_message("<|im_end|>"))
    text, last = answered(tensorrt_llm(triton), asked())
    assert (text, last.num_tokens) == ("One", count("One"))


def test_version_0_5_requires_its_words(triton: ScriptedTriton) -> None:
    words = [("bad_words", "BYTES", [-1], False), ("stop_words", "BYTES", [-1], False)]
    serve(triton, [*without(TEXT_INPUTS, "bad_words", "stop_words"), *words], TEXT_OUTPUTS)
    served = tensorrt_llm(triton, stop_words=STOP)
    served.check_contract()
    assert answered(served, asked(fields={"stop": ("END",)}))[0] == "One", "the gateway cuts"
    values = sent(triton.requests[-1])
    assert values["bad_words"] == values["stop_words"] == ("BYTES", [[""]])
    assert {"bad_words", "stop_token_ids"} <= set(served.capabilities().reasons)


def test_capabilities(triton: ScriptedTriton) -> None:
    found = tensorrt_llm(triton).capabilities()
    assert found.takes_text
    assert {"temperature", "bad_words", "stop_token_ids", "min_tokens"} <= found.fields
    never = {"logprobs", "logit_bias", "skip_special_tokens", "min_p", "presence_penalty"}
    assert not never & found.fields
    assert never <= set(found.reasons)


BROKEN = {
    "no texts": message({"text_output": ("BYTES", [])}),
    "numbers": message({"text_output": ("INT32", [5])}),
    "nothing": flag_message(),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_breaks_the_contract(triton: ScriptedTriton, kind: str) -> None:
    triton.script = say(BROKEN[kind])
    with pytest.raises(BackendError):
        answered(tensorrt_llm(triton), asked())


TYPED = tuple(TOKENIZER.codec.encode_plain(["say <|im_end|>"])[0])
ENDINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a whole answer": (say(*DELTAS), {}),
    "a stop word": (say(*DELTAS, then_silent=0.5), {"fields": {"stop_token_ids": (31,)}}),
    "a prompt that is refused": (say(*DELTAS), {"prompt_ids": TYPED}),
    "an error": (say(error_message("boom")), {}),
    "garbage": (say(BROKEN["numbers"]), {}),
}


@pytest.mark.parametrize("kind", ENDINGS)
def test_the_place_is_given_back_once(triton: ScriptedTriton, kind: str) -> None:
    script, more = ENDINGS[kind]
    triton.script, ended = script, EndCounter()
    with contextlib.suppress(ApiError):
        answered(tensorrt_llm(triton), asked(when_ended=ended, **more))
    wait_until(lambda: ended.num_calls > 0, "giving the place back")
    time.sleep(0.02)
    assert ended.num_calls == 1


def test_leaving_ends_the_call(triton: ScriptedTriton) -> None:
    triton.script = say(*DELTAS, then_silent=60)
    ended = EndCounter()
    tokens = tensorrt_llm(triton).generate(asked(when_ended=ended))
    next(tokens)
    tokens.close()
    wait_until(lambda: ended.num_calls == 1, "giving the place back")
    assert triton.cancelled.wait(60)


def test_silence_is_told(triton: ScriptedTriton) -> None:
    triton.script = script = WhenItMay(say(DELTAS[0]), num_at_once=1)
    parts = []
    for part in tensorrt_llm(triton).generate(asked(patience=0.1)):
        parts.append(part)
        if len(parts) == 2:
            script.may_go_on.set()
    assert [part.text for part in parts[:2]] == ["One", None]
