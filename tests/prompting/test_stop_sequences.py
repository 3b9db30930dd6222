"""Stop strings and stop words against a naive search of the whole text."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.prompting.stop_sequences import StopStrings, StopTokens
from tests.prompting.texts import AWKWARD, split

ALPHABET = st.sampled_from("aab\n你🦊")
STOPS = st.lists(st.text(ALPHABET, min_size=1, max_size=5), max_size=5)
CHUNKS = st.lists(st.text(ALPHABET, max_size=6), max_size=12)
common = settings(max_examples=500, deadline=None, database=None)


def naive(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The text before the match that ends first, the longest of those that end together."""
    for end in range(1, len(text) + 1):
        matches = [stop for stop in stops if text[:end].endswith(stop)]
        if matches:
            longest = max(matches, key=len)
            return text[: end - len(longest)], longest
    return text, None


def longest_prefix_at_end(text: str, stops: list[str]) -> int:
    sizes = [size for stop in stops for size in range(len(stop)) if text.endswith(stop[:size])]
    return max(sizes, default=0)


@common
@given(STOPS, CHUNKS, st.booleans())
@example(["abab"], ["aba", "bab"], False)
@example(["b", "ab"], ["a", "b"], False)
@example(["aab"], ["aaa", "ab"], True)
def test_equals_a_search_of_the_whole_text(
    stops: list[str], chunks: list[str], include_stop: bool
) -> None:
    subject = StopStrings(stops, include_stop=include_stop)
    streamed = "".join(map(subject.push, chunks)) + subject.flush()
    before, matched = naive("".join(chunks), stops)
    assert subject.matched == matched
    assert streamed == before + (matched or "" if include_stop else "")


@common
@given(STOPS, CHUNKS)
def test_holds_back_just_the_beginning_of_a_stop_string(
    stops: list[str], chunks: list[str]
) -> None:
    subject = StopStrings(stops)
    text = out = ""
    for chunk in chunks:
        out += subject.push(chunk)
        text += chunk
        if subject.matched is not None:
            break
        assert len(text) - len(out) == longest_prefix_at_end(text, stops)


@common
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=4),
    st.lists(st.integers(0, 2), max_size=20),
)
def test_stop_words_equal_a_search_of_the_whole_answer(
    words: list[list[int]], ids: list[int]
) -> None:
    subject = StopTokens(words)
    certain = [token for token_id in ids for token in subject.push(token_id)] + subject.flush()
    before, matched = naive("".join(map(str, ids)), ["".join(map(str, word)) for word in words])
    assert certain == [int(digit) for digit in before]
    assert subject.matched == (None if matched is None else tuple(map(int, matched)))


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_stop_strings(text: str) -> None:
    subject = StopStrings([text])
    pieces = [subject.push(char) for char in f"before {text} after"]
    assert "".join(pieces) + subject.flush() == f"before {text}".removesuffix(text)
    assert subject.matched == text


def test_nothing_comes_after_a_match() -> None:
    subject = StopStrings(["stop"])
    assert subject.push("a stop, b") == "a "
    assert (subject.push("c"), subject.flush(), subject.matched) == ("", "", "stop")
    words = StopTokens([[1, 2]])
    assert [words.push(token_id) for token_id in (7, 1, 2, 3)] == [[7], [], [], []]
    assert (words.flush(), words.matched) == ([], (1, 2))


def test_without_stop_strings_all_is_certain_at_once() -> None:
    assert StopStrings([]).push("anything") == "anything"
    assert StopTokens([]).push(5) == [5]


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopStrings(["a", ""])


def test_the_cost_does_not_depend_on_the_stop_strings() -> None:
    """16 stops of 256 characters that nearly match everywhere, on 200,000 characters."""
    hostile = StopStrings(["a" * 255 + chr(ord("b") + at) for at in range(16)])
    # It begins with what the text is made of, so that every character is looked at here too.
    plain = StopStrings(["ab"])
    seconds = {}
    for subject in (plain, hostile):
        start = time.thread_time()
        for part in split(range(200_000), [20_000] * 9):
            subject.push("a" * len(part))
        seconds[subject] = time.thread_time() - start
    assert hostile.flush() == "a" * 255
    assert seconds[hostile] < 10 * seconds[plain]


def test_text_without_a_beginning_of_a_stop_goes_out_at_once() -> None:
    subject = StopStrings(["\nUser:"])
    assert [subject.push(part) for part in ("Hi", "\n", "U", "s", "x", "\nUs", "er", ": more")] == [
        "Hi",
        "",
        "",
        "",
        "\nUsx",
        "",
        "",
        "",
    ]
    assert subject.matched == "\nUser:"


def test_importing_loads_no_tokenizer_library() -> None:
    program = (
        "import sys, app.prompting.stop_sequences;"
        "print([m for m in ('transformers', 'tokenizers', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
