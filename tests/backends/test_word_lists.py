"""FasterTransformer's word lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.word_lists import encode_words

WORDS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=12)


def read_as_the_kernel_does(encoded: np.ndarray) -> list[list[int]]:
    """stop_criteria_kernels.cu: word i is ids[offset[i-1]:offset[i]]; a negative offset ends."""
    ids, offsets = encoded[0]
    words, start = [], 0
    for offset in offsets:
        if offset < 0:
            break
        assert start < offset <= len(ids), "an empty word stops every answer at once"
        words.append(ids[start:offset].tolist())
        start = offset
    return words


@given(WORDS)
def test_the_kernel_reads_every_word_that_is_not_empty(words: list[list[int]]) -> None:
    encoded = encode_words(words)
    assert read_as_the_kernel_does(encoded) == [word for word in words if word]


@given(WORDS)
def test_shape_and_padding(words: list[list[int]]) -> None:
    encoded = encode_words(words)
    num_ids, num_words = sum(map(len, words)), sum(1 for word in words if word)
    assert encoded.dtype == np.int32
    assert encoded.shape == (1, 2, max(num_ids, 1))
    assert not encoded[0, 0, num_ids:].any()
    assert (encoded[0, 1, num_words:] == -1).all()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([[2], [29871, 13, 13]], [[[2, 29871, 13, 13], [1, 4, -1, -1]]]),
        ([], [[[0], [-1]]]),
        ([[]], [[[0], [-1]]]),
        ([[7768], [3908]], [[[7768, 3908], [1, 2]]]),
    ],
)
def test_the_documented_examples(words: list[list[int]], expected: list[object]) -> None:
    assert encode_words(words).tolist() == expected
