"""Streamed text equals the text decoded at once, whatever the tokenizer, the ids and the splits."""

from __future__ import annotations

import re
from itertools import groupby

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.prompting.detokenizer import IncrementalDetokenizer
from app.prompting.tokenizers import Tokenizer
from tests.prompting.texts import AWKWARD, TEXTS, split
from tests.tokenizers.build import FAST, SLOW
from tests.tokenizers.cached import tokenizer

KINDS = [*FAST, *SLOW]
SPLITS = st.lists(st.integers(0, 5), max_size=12)
IDS = st.lists(st.integers(0, 10**6), max_size=25)
common = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def stream(
    subject: Tokenizer, prompt: list[int], ids: list[int], sizes: list[int], skip: bool
) -> str:
    detokenizer = IncrementalDetokenizer(subject, prompt, skip_special_tokens=skip)
    return "".join(map(detokenizer.push, split(ids, sizes))) + detokenizer.flush()


def after(whole: str, prompt: str) -> str:
    """What the answer adds. A prompt's unfinished character that the answer completes is its."""
    kept = next((at for at, char in enumerate(prompt) if whole[at : at + 1] != char), len(prompt))
    assert set(prompt[kept:]) <= {"\ufffd"}
    return whole[kept:]


def decode_bytes(data: bytes) -> str:
    """SentencePiece's rule: the characters that there are, and U+FFFD for every other byte."""
    text = ""
    while data:
        for size in range(1, 5):
            try:
                text += data[:size].decode()
                data = data[size:]
                break
            except UnicodeDecodeError:
                continue
        else:
            text, data = text + "\ufffd", data[1:]
    return text


def reference(subject: Tokenizer, ids: list[int], skip: bool) -> str:
    """The text of a whole sequence, from decoding it at once.

    For byte fallback in a fast tokenizer the runs of byte tokens are decoded by SentencePiece's
    rule, since its own decoder gives up a run with one wrong byte.
    """
    vocabulary = subject.codec._raw.id_to_token if subject.is_fast else None
    if vocabulary is None or vocabulary(3) != "<0x00>":
        return subject.decode(ids, skip_special_tokens=skip)
    shown = [at for at in ids if not (skip and at in subject.special_tokens.values())]
    anchor = subject.encode("a", add_special_tokens=False)
    text = ""
    for is_byte, run in groupby(shown, lambda at: bool(re.fullmatch("<0x..>", vocabulary(at)))):
        part = list(run)
        if is_byte:
            text += decode_bytes(bytes(int(vocabulary(at)[3:5], 16) for at in part))
        else:
            text += subject.decode(anchor + part, skip_special_tokens=False)[1:]
    return text.removeprefix(" ")


@pytest.mark.parametrize("kind", KINDS)
@common
@given(TEXTS, TEXTS, SPLITS, st.booleans())
@example("", "你好", [1, 1, 1], True)
@example("Say: ", "Hello world", [], True)
def test_streamed_text_of_real_ids(
    kind: str, prompt: str, answer: str, sizes: list[int], skip: bool
) -> None:
    subject = tokenizer(kind)
    before = subject.encode_batch([prompt], max_tokens=None)[0] if prompt else []
    ids = subject.encode_batch([answer], max_tokens=None)[0]
    if kind == "baichuan2":
        skip = True  # its decoder moves a space in front of the text before a special token
    whole = subject.decode(before + ids, skip_special_tokens=skip)
    expected = after(whole, subject.decode(before, skip_special_tokens=skip))
    assert stream(subject, before, ids, sizes, skip) == expected


@pytest.mark.parametrize("kind", KINDS)
@common
@given(IDS, IDS, SPLITS, st.booleans())
def test_streamed_text_of_any_ids(
    kind: str, prompt: list[int], ids: list[int], sizes: list[int], skip: bool
) -> None:
    subject = tokenizer(kind)
    prompt = [at % subject.vocabulary_size for at in prompt]
    ids = [at % subject.vocabulary_size for at in ids]
    skip = skip or not subject.is_fast
    expected = after(reference(subject, prompt + ids, skip), reference(subject, prompt, skip))
    assert stream(subject, prompt, ids, sizes, skip) == expected


@pytest.mark.parametrize("kind", ["byte_level_bpe", "llama_first", "chatglm2", "baichuan2"])
@common
@given(st.lists(st.integers(0, 255), max_size=30), SPLITS)
def test_streamed_text_of_any_bytes(kind: str, data: list[int], sizes: list[int]) -> None:
    subject = tokenizer(kind)
    by_byte = {
        subject.pieces[at]: at for at in range(subject.vocabulary_size) if at not in (0, 1, 2)
    }
    ids = [by_byte[bytes([byte])] for byte in data]
    prompt = subject.encode("a", add_special_tokens=False)
    errors = "replace" if kind == "byte_level_bpe" else None
    expected = bytes(data).decode(errors=errors) if errors else decode_bytes(bytes(data))
    assert stream(subject, prompt, ids, sizes, True) == expected


@pytest.mark.parametrize("kind", KINDS)
@common
@given(TEXTS)
def test_no_more_than_one_unfinished_character_is_held(kind: str, answer: str) -> None:
    subject = tokenizer(kind)
    ids = subject.encode_batch([answer], max_tokens=None)[0]
    prompt = subject.encode("a")
    detokenizer = IncrementalDetokenizer(subject, prompt)
    for count, token_id in enumerate(ids, start=1):
        pushed = detokenizer.push([token_id])
        assert "\ufffd" not in pushed or "\ufffd" in answer
        held = stream(subject, prompt, ids[:count], [], True)
        out = stream(subject, prompt, ids[:count] + prompt[-1:], [count], True)
        assert len(held.encode()) - len(out.encode()) < 10  # at most 3 bytes, each a U+FFFD


@pytest.mark.parametrize("kind", ["llama_first", "llama_always", "chatglm2"])
def test_the_first_word_keeps_its_space_after_a_prompt(kind: str) -> None:
    subject = tokenizer(kind)
    ids = subject.encode("Hello", add_special_tokens=False)
    assert stream(subject, subject.encode("Say"), ids, [], True) == " Hello"
    assert stream(subject, [], ids, [], True) == "Hello"
    if subject.bos_id is not None:
        assert stream(subject, [subject.bos_id], ids, [], True) == "Hello"


def test_a_character_begun_by_the_prompt_belongs_to_the_answer() -> None:
    subject = tokenizer("byte_level_bpe")
    ids = subject.encode("🦊")
    assert len(ids) > 2
    assert stream(subject, ids[:2], ids[2:], [], True) == "🦊"
    assert stream(subject, ids[:2], subject.encode("ox"), [], True) == "ox"


def test_a_replacement_character_is_text_at_once() -> None:
    subject = tokenizer("byte_level_bpe")
    ids = subject.encode("\ufffd")
    detokenizer = IncrementalDetokenizer(subject)
    assert "".join(detokenizer.push([token_id]) for token_id in ids) == "\ufffd"
    broken = subject.encode("🦊")[:1]
    assert detokenizer.push(broken) == ""
    assert detokenizer.push(broken) == "\ufffd"
    assert detokenizer.flush() == "\ufffd"


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_beyond_the_vocabulary_is_no_text(kind: str) -> None:
    """A model's output layer is often padded to a round number of ids."""
    subject = tokenizer(kind)
    ids = [subject.vocabulary_size + 7, *subject.encode("One"), subject.vocabulary_size]
    assert stream(subject, [], ids, [1, 1], True) == subject.decode(ids) != ""


def test_word_pieces_join() -> None:
    subject = tokenizer("wordpiece")
    ids = subject.encode("burnings")[1:-1]
    assert len(ids) > 1
    assert stream(subject, subject.encode("the"), ids, [1] * 9, True) == " burnings"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "chatglm2"])
def test_special_tokens_in_the_middle(kind: str) -> None:
    subject = tokenizer(kind)
    token, token_id = list(subject.special_tokens.items())[-1]
    ids = [*subject.encode("One", add_special_tokens=False), token_id]
    ids += subject.encode("two", add_special_tokens=False)
    prompt = subject.encode("a")
    assert token not in stream(subject, prompt, ids, [1] * len(ids), True)
    assert token in stream(subject, prompt, ids, [1] * len(ids), False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_one_token_at_a_time(kind: str, text: str) -> None:
    subject = tokenizer(kind)
    prompt = subject.encode("a")
    ids = subject.encode_batch([text], max_tokens=None)[0]
    expected = after(subject.decode(prompt + ids), subject.decode(prompt))
    assert stream(subject, prompt, ids, [1] * len(ids), True) == expected
