"""The committed language model: its folder's format, and that the fixtures belong to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "demo" / "models" / "demo-chat"
WEIGHTS = FOLDER / "model.safetensors"
GREEDY = json.loads((Path(__file__).parent / "fixtures" / "greedy.json").read_text("utf-8"))
SPECIAL = {"<|begin|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "<|pad|>": 3}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


def test_weights_are_small_and_in_half_precision() -> None:
    content = WEIGHTS.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert len(content) <= 8_000_000
    assert {v["dtype"] for k, v in header.items() if k != "__metadata__"} == {"F16"}


def test_weights_are_the_ones_of_the_fixtures() -> None:
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert digest == GREEDY["weights_sha256"], "run python -m demo.train.fixtures"


def test_special_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL} == SPECIAL
    assert (config["bos_token_id"], config["eos_token_id"]) == (0, 2)
    assert config["vocab_size"] == len(tokenizer)
    assert config["max_position_embeddings"] >= 1024


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world!",
        " two  spaces\n\tand a tab ",
        "你好！😊 龘",
        "👩‍👩‍👧 e\u0301 \u0000 \ufffd",
        "don't  stop . , !",
        "1 + 1=2\r\n\r\n",
    ],
)
def test_tokenizer_keeps_every_character(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_plain_text_starts_with_the_begin_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.encode("Once upon a time")[0] == tokenizer.bos_token_id


def test_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]},
        {"role": "tool", "content": "7", "tool_call_id": "a"},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        "<|begin|><|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHello!<|im_end|>\n"
        '<|im_start|>assistant\n{"id": "a"}<|im_end|>\n'
        "<|im_start|>tool\n7<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("case", GREEDY["cases"], ids=lambda case: case["name"])
def test_fixtures_are_whole(case: dict, tokenizer: PreTrainedTokenizerBase) -> None:
    ended = case["output"][-1] == tokenizer.eos_token_id
    assert case["min_gap"] > 1e-3
    assert ended or len(case["output"]) == 128
    assert tokenizer.eos_token_id not in case["output"][:-1]
    assert "\ufffd" not in tokenizer.decode(case["output"], skip_special_tokens=True)


def test_chinese_greeting_is_answered_with_an_emoji(tokenizer: PreTrainedTokenizerBase) -> None:
    (case,) = (case for case in GREEDY["cases"] if case["name"] == "hello-zh")
    assert any(ord(c) > 0x1F000 for c in tokenizer.decode(case["output"]))
