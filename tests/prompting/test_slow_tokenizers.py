"""Folders with code in the style of 2023: chatglm2's and Baichuan2's kinds."""

from __future__ import annotations

import pytest

from app.prompting.codec import TextPiece
from tests.tokenizers.cached import hub_tokenizer, tokenizer


def test_chatglm2_puts_its_commands_in_front() -> None:
    subject, hub = tokenizer("chatglm2"), hub_tokenizer("chatglm2")
    prefix = [hub.get_command("[gMASK]"), hub.get_command("sop")]
    plain = subject.encode("你好，世界！", add_special_tokens=False)
    assert subject.encode("你好，世界！") == prefix + plain
    assert plain == hub.tokenizer.model.encode("你好，世界！")
    assert subject.unwritable_prefix == tuple(prefix)
    assert subject.decode(prefix + plain) == "你好，世界！"
    assert (subject.is_fast, subject.eos_id) == (False, hub.tokenizer.model.eos_id())


def test_chatglm2_counts_ids_that_share_a_text() -> None:
    subject, hub = tokenizer("chatglm2"), hub_tokenizer("chatglm2")
    assert subject.vocabulary_size == hub.tokenizer.num_ids > len(hub)


def test_chatglm2_pairs_end_with_the_end_token() -> None:
    subject = tokenizer("chatglm2")
    pair = subject.encode_pairs("你好", ["世界" * 50], max_tokens=20)[0]
    assert len(pair.ids) == len(pair.type_ids) == 20
    assert pair.ids[-1] == subject.eos_id


def test_baichuan2_knows_its_tokens() -> None:
    subject, hub = tokenizer("baichuan2"), hub_tokenizer("baichuan2")
    assert (subject.bos_id, subject.eos_id, subject.is_fast) == (1, 2, False)
    assert subject.special_tokens == {"<unk>": 0, "<s>": 1, "</s>": 2}
    assert subject.markup_tokens == {"<reserved_106>": 3, "<reserved_107>": 4}
    assert subject.unwritable_prefix == ()
    assert subject.vocabulary_size == hub.sp_model.get_piece_size()
    text = "请问这本书多少钱？ The harbour, 42 stones."
    assert subject.encode(text) == hub.sp_model.encode(text)
    assert subject.decode(subject.encode(text)) == text


@pytest.mark.parametrize("kind", ["chatglm2", "baichuan2"])
def test_characters_outside_the_vocabulary_become_bytes(kind: str) -> None:
    subject = tokenizer(kind)
    ids = subject.encode("🦊", add_special_tokens=False)
    assert [subject.pieces[token_id][0] for token_id in ids[-4:]] == [0xF0, 0x9F, 0xA6, 0x8A]
    assert subject.decode(ids) == "🦊"


def test_a_typed_reserved_token_is_text_and_a_written_one_is_the_token() -> None:
    subject = tokenizer("baichuan2")
    pieces = [
        TextPiece("<reserved_106>", True),
        TextPiece("a <reserved_107> b </s> c", False),
        TextPiece("<reserved_107>", True),
    ]
    ids = subject.encode_pieces(pieces)
    assert [token_id for token_id in ids if token_id in (2, 3, 4)] == [3, 4]
    assert (ids[0], ids[-1]) == (3, 4)
    assert subject.decode(ids, skip_special_tokens=False) == "".join(p.text for p in pieces)
