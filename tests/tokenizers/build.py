"""Small tokenizers of every kind that the server meets, trained on our own text at test time.

Each function writes one Hugging Face folder. The two slow ones bring code in the style of 2023,
kept in `own_code/`, which is not imported from here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.tokenizers.text import SENTENCES

OWN_CODE = Path(__file__).with_name("own_code")
CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML_TAGS = ["<tool_call>", "</tool_call>", "<think>", "</think>", "<｜User｜>", "<é>"]
LLAMA_TOKENS = ["<unk>", "<s>", "</s>"]
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]


def _write(folder: Path, raw: Tokenizer, config: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    raw.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text("{}")


def byte_level_bpe(folder: Path) -> None:
    """GPT-2's kind, with ChatML's control tokens, markup tokens and an added word."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=CHATML_TOKENS,
        show_progress=False,
    )
    raw.train_from_iterator(SENTENCES * 4, trainer)
    raw.add_tokens([AddedToken(tag, normalized=False) for tag in CHATML_TAGS])
    raw.add_tokens(["COVID-19"])
    _write(folder, raw, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"})


def _llama(folder: Path, prepend_scheme: str) -> None:
    """Metaspace BPE with byte fallback: vocabulary, then the byte tokens put into the model."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=LLAMA_TOKENS + BYTE_TOKENS, show_progress=False
    )
    trained.train_from_iterator(SENTENCES[:9] * 4, trainer)
    state = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in state["merges"]]
    raw = Tokenizer(
        models.BPE(state["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme, split=False)
    raw.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    raw.add_special_tokens([AddedToken(token, normalized=False) for token in LLAMA_TOKENS])
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    _write(folder, raw, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})


def llama_first(folder: Path) -> None:
    _llama(folder, "first")


def llama_always(folder: Path) -> None:
    _llama(folder, "always")


def wordpiece(folder: Path) -> None:
    """BERT's kind, with a truncation and a padding left in the file, as published ones have."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    trainer = trainers.WordPieceTrainer(vocab_size=900, special_tokens=names, show_progress=False)
    raw.train_from_iterator(SENTENCES * 4, trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    raw.enable_truncation(16)
    raw.enable_padding(length=16)
    config = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    _write(folder, raw, config)


def unigram(folder: Path) -> None:
    """XLM-RoBERTa's kind, whose model knows its control tokens as pieces of its own."""
    raw = Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    raw.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=500,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    raw.train_from_iterator(SENTENCES * 4, trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    _write(folder, raw, {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})


def _sentencepiece_model(folder: Path, user_defined: list[str], add_dummy_prefix: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 4),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=900,
        character_coverage=0.98,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=user_defined,
        add_dummy_prefix=add_dummy_prefix,
        minloglevel=2,
    )


def _write_own_code(folder: Path, module: str, config: Mapping[str, Any]) -> None:
    shutil.copy(OWN_CODE / f"{module}.py", folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text("{}")


def chatglm2(folder: Path) -> None:
    """chatglm2's kind: a wrapper with command tokens, and a constructor from before 2024."""
    _sentencepiece_model(folder, [], add_dummy_prefix=True)
    config = {
        "tokenizer_class": "ChatGLMTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_chatglm.ChatGLMTokenizer", None]},
        "remove_space": False,
        "do_lower_case": False,
    }
    _write_own_code(folder, "tokenization_chatglm", config)


def baichuan2(folder: Path) -> None:
    """Baichuan2's kind: the slow Llama tokenizer's form, with reserved tokens in the vocabulary."""
    _sentencepiece_model(folder, ["<reserved_106>", "<reserved_107>"], add_dummy_prefix=False)
    token = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False}
    config = {
        "tokenizer_class": "BaichuanTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_baichuan.BaichuanTokenizer", None]},
        "add_bos_token": False,
        "add_eos_token": False,
        "use_fast": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
        "sp_model_kwargs": {},
        "bos_token": {**token, "content": "<s>", "single_word": True},
        "eos_token": {**token, "content": "</s>", "single_word": True},
        "pad_token": {**token, "content": "<unk>", "single_word": True},
        "unk_token": {**token, "content": "<unk>", "single_word": True},
    }
    _write_own_code(folder, "tokenization_baichuan", config)


FAST: dict[str, Callable[[Path], None]] = {
    "byte_level_bpe": byte_level_bpe,
    "llama_first": llama_first,
    "llama_always": llama_always,
    "wordpiece": wordpiece,
    "unigram": unigram,
}
SLOW: dict[str, Callable[[Path], None]] = {"chatglm2": chatglm2, "baichuan2": baichuan2}
