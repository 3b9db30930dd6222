"""Texts that break careless streaming: many scripts, joined emoji, and U+FFFD itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

AWKWARD = [
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "👍🏽",
    "🇩🇪🇫🇷",
    "e\u0301\u0323\u0308",
    "ก็ที่",
    "नमस्ते क्षत्रिय",
    "\ufffd",
    "\ufffd\ufffd x \ufffd",
    "\u200b\u200d\ufeff",
    "𝒳𝔘𠀀",
    "\r\n\t  \n",
    " leading and trailing ",
    "▁ metaspace ▁▁",
    "<0xE4><0xBD>",
    "##ing ## #",
    "don't . , ? ! 's n't",
    "[SEP] </s> <|im_end|> <reserved_106>",
    "小船回到港口，问：答：",
    "COVID-19",
]
SCRIPTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXTS = st.lists(st.one_of(SCRIPTS, st.sampled_from(AWKWARD)), max_size=6).map("".join)


def split(items: Sequence[int], sizes: Sequence[int]) -> Iterator[Sequence[int]]:
    """Consecutive slices of the given sizes, the rest last; a size of 0 gives an empty slice."""
    start = 0
    for size in sizes:
        yield items[start : start + size]
        start += size
    yield items[start:]
