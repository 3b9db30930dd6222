"""The vLLM backend: what its messages mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import BackendError, ContextLengthExceeded, InvalidRequest, UnsupportedParameter
from app.types import StructuredOutput
from tests.backends.language_models import (
    TOKENIZER,
    answered,
    flag_message,
    serve,
    text_message,
    vllm,
)
from tests.backends.vllm_jobs import (
    END,
    OLD_INPUTS,
    OLD_OUTPUTS,
    TEXT,
    asked,
    parameters,
    piece,
    serve_deltas,
)
from tests.scripted_triton import ScriptedTriton, error_message, message, say, sent


@pytest.fixture(autouse=True)
def model(triton: ScriptedTriton) -> None:
    serve_deltas(triton)


def test_deltas_with_their_counts(triton: ScriptedTriton) -> None:
    parts = list(vllm(triton).generate(asked()))
    assert [part.text for part in parts] == ["One", " two", " three", ""]
    # The end token is counted by vLLM, and no part of the answer.
    assert [part.num_tokens for part in parts] == [1, 3, 4, 4]
    assert [part.finish_reason for part in parts] == [None, None, None, "stop"]
    values = sent(triton.requests[-1])
    assert values["text_input"] == ("BYTES", [TEXT])
    flags = ("stream", "exclude_input_in_output", "return_finish_reason")
    assert [values[name] for name in flags] == [("BOOL", [True])] * 3
    assert values["return_logprobs"] == ("BOOL", [False])


def test_length(triton: ScriptedTriton) -> None:
    triton.script = say(piece("One"), piece(" two", "length"))
    text, last = answered(vllm(triton), asked(max_tokens=2))
    assert (text, last.finish_reason, last.num_tokens) == ("One two", "length", 2)


def test_a_stop_string_is_shown_and_its_tokens_count(triton: ScriptedTriton) -> None:
    triton.script = say(piece("One"), piece(" two", "stop"))
    text, last = answered(vllm(triton), asked(fields={"stop": ("two",)}))
    assert (text, last.num_tokens) == ("One two", 2)


def test_the_text_of_an_end_token_is_cut_where_vllm_shows_it(triton: ScriptedTriton) -> None:
    triton.script = say(piece("One"), piece(" two<|im_end|>", "stop", 2))
    fields = {"stop": ("END",), "skip_special_tokens": False}
    text, last = answered(vllm(triton), asked(fields=fields))
    assert (text, last.num_tokens) == ("One two", 2)


KEPT = {"kept_special_tokens": frozenset({"<|im_start|>"})}


@pytest.mark.parametrize("last", [" two<|im_end|>", "<|im_end|>"])
@pytest.mark.parametrize("stop", [(), ("END",)])
def test_the_end_is_cut_where_special_tokens_are_shown_for_a_few(
    triton: ScriptedTriton, stop: tuple[str, ...], last: str
) -> None:
    """vLLM has no way to show some of them."""
    shown = last if stop else last.removesuffix("<|im_end|>")
    triton.script = say(piece("One"), piece(shown, "stop", 2))
    text, end = answered(vllm(triton), asked(fields={"stop": stop, **KEPT}))
    assert (text, end.num_tokens) == ("One" + last.removesuffix("<|im_end|>"), 2)
    sent_parameters = parameters(triton, fields={"stop": stop, **KEPT})
    assert sent_parameters["skip_special_tokens"] is False


@pytest.mark.parametrize("cut", range(1, 12))
def test_special_tokens_that_are_not_kept_are_no_text(triton: ScriptedTriton, cut: int) -> None:
    """However the messages cut them; those that are kept are text."""
    token = "<|endoftext|>"
    triton.script = say(
        piece("<|im_start|>One" + token[:cut]),
        piece(token[cut:] + " two<|im"),
        piece(" three", "length"),
    )
    text, last = answered(vllm(triton), asked(fields=KEPT))
    assert (text, last.num_tokens) == ("<|im_start|>One two<|im three", 3)


def test_special_tokens_that_are_wanted_stay(triton: ScriptedTriton) -> None:
    triton.script = say(piece("One<|endoftext|>"), piece(" two<|im_end|>", "stop"))
    fields = {"skip_special_tokens": False, "stop": ("END",), **KEPT}
    assert answered(vllm(triton), asked(fields=fields))[0] == "One<|endoftext|> two"


def test_a_stop_string_that_is_a_special_token(triton: ScriptedTriton) -> None:
    """The gateway must see it to tell it."""
    triton.script = say(piece("One"), piece("<|endoftext|>", "stop"))
    text, last = answered(vllm(triton), asked(fields={"stop": ("<|endoftext|>",), **KEPT}))
    assert (text, last.num_tokens) == ("One<|endoftext|>", 2)


def test_a_stop_string_that_messages_cut(triton: ScriptedTriton) -> None:
    """The end is then no token of its own, although the last piece alone would be one."""
    phrase = tuple(TOKENIZER.encode("OneX"))
    triton.script = say(piece("On"), piece("e!", "stop"))
    fields = {"stop": ("One!",), "stop_token_ids": tuple(TOKENIZER.encode("!"))}
    text, last = answered(vllm(triton, stop_words=(phrase,)), asked(fields=fields))
    assert (text, last.num_tokens, last.stop_reason) == ("One!", 2, None)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_stop_token_is_told_and_stays_where_it_was_asked_for(
    triton: ScriptedTriton, is_kept: bool
) -> None:
    (token,) = TOKENIZER.encode("!")
    triton.script = say(piece("One"), piece("!", "stop"))
    fields = {"stop_token_ids": (token,), "has_stop_in_output": is_kept}
    text, last = answered(vllm(triton), asked(fields=fields))
    assert (text, last.num_tokens) == (("One!", 2) if is_kept else ("One", 1))
    assert last.stop_reason == token
    assert parameters(triton, fields=fields)["include_stop_str_in_output"] is True


def test_the_models_own_stop_phrase_is_no_part(triton: ScriptedTriton) -> None:
    phrase = tuple(TOKENIZER.encode(" two thr"))
    triton.script = say(piece("One"), piece(" two"), piece(" thr", "stop"))
    text, last = answered(vllm(triton, stop_words=(phrase,)), asked())
    assert (text, last.finish_reason) == ("One", "stop")


@pytest.mark.parametrize("first", [TEXT, f"{TEXT} One"])
def test_23_10_repeats_the_prompt_and_all_text(triton: ScriptedTriton, first: str) -> None:
    serve(triton, OLD_INPUTS, OLD_OUTPUTS, max_batch_size=0)
    triton.script = say(text_message(first), text_message(f"{TEXT} One two"), flag_message())
    served = vllm(triton)
    served.check_contract()
    text, last = answered(served, asked(fields={"stop": ("END",)}))
    assert (text, last.finish_reason) == (" One two", "stop")
    assert last.num_tokens == len(TOKENIZER.encode(" One two"))
    found = json.loads(sent(triton.requests[-1])["sampling_parameters"][1][0])
    assert not {"stop", "include_stop_str_in_output", "seed"} & set(found)


def test_24_03_sends_deltas_and_does_not_say_why_it_ends(triton: ScriptedTriton) -> None:
    serve(triton, OLD_INPUTS, OLD_OUTPUTS, max_batch_size=0)
    triton.script = say(text_message("One"), text_message(" two"))
    size = len(TOKENIZER.encode("One two"))
    text, last = answered(vllm(triton), asked(max_tokens=size))
    assert (text, last.finish_reason, last.num_tokens) == ("One two", "length", size)


def test_a_message_of_several_tokens_counts_them(triton: ScriptedTriton) -> None:
    serve(triton, OLD_INPUTS, OLD_OUTPUTS, max_batch_size=0)
    triton.script = say(text_message("One day a little girl"), text_message(" two"))
    size = len(TOKENIZER.encode("One day a little girl"))
    assert [part.num_tokens for part in vllm(triton).generate(asked())][:2] == [size, size + 1]


def test_logprobs(triton: ScriptedTriton) -> None:
    chosen = {"70": {"logprob": -2.0, "rank": 3, "decoded_token": "a"}}
    others = {
        "71": {"logprob": -1.0, "rank": 2, "decoded_token": "b"},
        "72": {"logprob": -0.5, "rank": 1, "decoded_token": None},
    }
    end = {str(END): {"logprob": -0.1, "rank": 1, "decoded_token": "<|im_end|>"}}
    triton.script = say(
        piece("a", logprobs=("BYTES", [json.dumps([chosen | others]).encode()])),
        piece("", "stop", logprobs=("BYTES", [json.dumps([end]).encode()])),
    )
    parts = list(vllm(triton).generate(asked(logprobs=2)))
    ((entry,), rest) = (part.logprobs for part in parts)
    assert (entry.token_id, entry.logprob, entry.text) == (70, -2.0, "a")
    assert [(each.token_id, each.logprob) for each in entry.top] == [(72, -0.5), (71, -1.0)]
    assert not rest, "the end token is no part of the answer"
    assert sent(triton.requests[-1])["return_logprobs"] == ("BOOL", [True])


BROKEN = {
    "another reason": piece("", "abort"),
    "no text": message({"text_output": ("FP32", [1.0])}),
    "no JSON": piece("a", logprobs=("BYTES", [b"{"])),
    "other JSON": piece("a", logprobs=("BYTES", [b'[{"70": 5}]'])),
    "nothing": flag_message(),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_breaks_the_contract(triton: ScriptedTriton, kind: str) -> None:
    triton.script = say(BROKEN[kind])
    with pytest.raises(BackendError):
        answered(vllm(triton), asked(logprobs=1))


REGEX = StructuredOutput("regex", "(", "structured_outputs.regex")
NO_PARAMETERS = "'NoneType' object has no attribute 'lora_name'"
FAILURES: list[tuple[str, dict[str, Any], type[Exception], str | None]] = [
    (
        "The decoder prompt (length 9) is longer than the maximum model length of 8",
        {},
        ContextLengthExceeded,
        None,
    ),
    ("CUDA out of memory", {"structured_output": REGEX, "logprobs": 2}, BackendError, None),
    (
        "Invalid regex constraint for structured outputs",
        {"structured_output": REGEX},
        InvalidRequest,
        REGEX.param,
    ),
    ("Failed to convert the guide", {"structured_output": REGEX}, InvalidRequest, REGEX.param),
    (NO_PARAMETERS, {"structured_output": REGEX}, InvalidRequest, REGEX.param),
    (NO_PARAMETERS, {}, BackendError, None),
    ("Invalid grammar", {}, BackendError, None),
    ("Cannot request more than 5 logprobs.", {"logprobs": 9}, UnsupportedParameter, "logprobs"),
    (
        "Requested sample logprobs of 9, which is greater than max allowed: 5",
        {"logprobs": 9},
        UnsupportedParameter,
        "logprobs",
    ),
    ("Cannot request more than 5 logprobs.", {}, BackendError, None),
]


@pytest.mark.parametrize(("words", "fields", "kind", "param"), FAILURES)
def test_vllms_errors(
    triton: ScriptedTriton,
    words: str,
    fields: dict[str, Any],
    kind: type[Exception],
    param: str | None,
) -> None:
    triton.script = say(error_message(f"Error generating stream: {words}"))
    with pytest.raises(kind) as caught:
        answered(vllm(triton), asked(**fields))
    assert type(caught.value) is kind
    assert words not in str(caught.value)
    assert getattr(caught.value, "param", None) == param


def test_the_engines_own_limit_of_alternatives_is_told(triton: ScriptedTriton) -> None:
    triton.script = say(error_message("Cannot request more than 5 logprobs."))
    with pytest.raises(UnsupportedParameter, match=r"5 .* 9"):
        answered(vllm(triton), asked(logprobs=9))


def test_the_backends_refusal_of_a_structure_is_told(triton: ScriptedTriton) -> None:
    triton.script = say(error_message(NO_PARAMETERS))
    with pytest.raises(InvalidRequest, match="the model's backend refused it"):
        answered(vllm(triton), asked(structured_output=REGEX))
