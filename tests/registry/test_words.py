"""How `bad_words` and `stop_words` are read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.word_lists import encode_words
from app.registry.words import read_words


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[7768, 3908], [1, 2]], ((7768,), (3908,))),
        ([[2], [2]], ((2,), (2,))),
        ([[2, 29871, 13, 13], [1, 4, -1, -1]], ((2,), (29871, 13, 13))),
        ([[0], [-1]], ()),
        ([], ()),
        ([[]], ()),
        ([[], []], ()),
        ([[5, 6, 7]], ((5, 6, 7),)),
        ([[5], [6, 7], [8]], ((5,), (6, 7), (8,))),
        # Not decreasing: the second word is empty, and an empty word would stop at once.
        ([[5, 6], [1, 1]], ((5,),)),
        # No offset rows: beyond the end, decreasing, zero, padding in the middle.
        ([[5, 6], [1, 3]], ((5, 6), (1, 3))),
        ([[5, 6], [2, 1]], ((5, 6), (2, 1))),
        ([[5, 6], [0, 2]], ((5, 6), (0, 2))),
        ([[32094], [0]], ((32094,), (0,))),
    ],
)
def test_the_reading(rows: Any, expected: Any) -> None:
    assert read_words(rows) == expected


WORDS = st.lists(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=4), max_size=8)


@given(WORDS)
def test_what_fastertransformer_is_sent_reads_back_as_the_same_words(
    words: list[list[int]],
) -> None:
    rows = encode_words(words)[0].tolist()
    assert [list(word) for word in read_words(rows)] == words


@given(WORDS.filter(lambda words: len(words) != 2))
def test_one_row_for_each_word_is_always_that(words: list[list[int]]) -> None:
    assert [list(word) for word in read_words(words)] == words


@given(st.lists(st.lists(st.integers(-1, 2**31 - 1), max_size=6), max_size=4))
def test_no_word_is_empty_and_no_id_is_invented(rows: list[list[int]]) -> None:
    words = read_words(rows)
    assert all(words)
    assert {item for word in words for item in word} <= {item for row in rows for item in row}
