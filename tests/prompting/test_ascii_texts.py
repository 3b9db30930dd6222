"""ASCII by the table is tokenised as `tokenizers` does it with all of its normalizer."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from app.prompting.ascii_texts import ascii_texts

ASCII = st.text(st.characters(max_codepoint=127), max_size=60)
VOCABULARY = ["[UNK]", *map(chr, range(33, 127)), *("##" + chr(code) for code in range(33, 127))]


def bert(**normalizer: Any) -> tokenizers.Tokenizer:
    vocabulary = {token: index for index, token in enumerate([*VOCABULARY, "the", "##ing"])}
    made = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**normalizer)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def state(tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(tokenizer.to_str())
    return parsed


FORMS = [
    {"lowercase": True},
    {"lowercase": False},
    {"clean_text": False, "lowercase": True},
    {"strip_accents": True, "handle_chinese_chars": False, "lowercase": True},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@given(texts=st.lists(ASCII, min_size=1, max_size=4))
def test_ascii_is_tokenised_alike(form: dict[str, Any], texts: list[str]) -> None:
    whole = bert(**form)
    ours = ascii_texts(state(whole))
    assert ours is not None
    expected = [each.ids for each in whole.encode_batch(texts, add_special_tokens=False)]
    assert [each.ids for each in ours.encode_batch(texts)] == expected


def test_every_character_by_itself_and_in_a_word() -> None:
    whole = bert(lowercase=True)
    ours = ascii_texts(state(whole))
    assert ours is not None
    texts = [form.format(chr(code)) for code in range(128) for form in ("{}", "a{}b", " {} ")]
    expected = [whole.encode(text, add_special_tokens=False).ids for text in texts]
    assert [each.ids for each in ours.encode_batch(texts)] == expected


def test_other_normalizers_are_left_alone() -> None:
    whole = bert()
    whole.normalizer = normalizers.NFKC()
    assert ascii_texts(state(whole)) is None


def test_tokens_that_a_text_can_hold_are_left_alone() -> None:
    whole = bert()
    whole.add_tokens(["NASA"])
    assert ascii_texts(state(whole)) is None
