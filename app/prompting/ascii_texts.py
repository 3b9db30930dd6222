"""BERT's normalisation of plain ASCII by a table, which takes half of the time of tokenising.

https://huggingface.co/docs/tokenizers/api/normalizers: on ASCII, `BertNormalizer` drops control
characters, makes blanks of white space, and small letters where the model knows no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers

NUM_ASCII = 128
WHITE_SPACE = "\t\n\r"


class AsciiTexts:
    """A tokenizer for texts of ASCII alone, which it is handed normalised."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._table = _table(state["normalizer"])
        self._raw = tokenizers.Tokenizer.from_str(json.dumps({**state, "normalizer": None}))

    def encode_batch(self, texts: Sequence[str]) -> list[Any]:
        """The encodings of texts of which `str.isascii` is true; no special tokens added."""
        normalized = [text.translate(self._table) for text in texts]
        return self._raw.encode_batch_fast(normalized, add_special_tokens=False)


def ascii_texts(state: Mapping[str, Any]) -> AsciiTexts | None:
    """The tokenizer for a serialised one, None where ASCII needs more than the table.

    Tokens that are looked for in the text as it was written are such a need.
    """
    is_bert = (state.get("normalizer") or {}).get("type") == "BertNormalizer"
    if not is_bert or any(token["content"].isascii() for token in state["added_tokens"]):
        return None
    return AsciiTexts(state)


def _table(normalizer: Mapping[str, Any]) -> dict[int, str | None]:
    """For `str.translate`: what becomes of each character."""
    table: dict[int, str | None] = {}
    for code in range(NUM_ASCII):
        char = chr(code)
        table[code] = char.lower() if normalizer["lowercase"] else char
        if normalizer["clean_text"] and not char.isprintable():
            table[code] = " " if char in WHITE_SPACE else None
    return table
