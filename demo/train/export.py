"""Writes the model's folder in Hugging Face format, weights in half precision."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from transformers import AutoTokenizer, GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from .corpus import BEGIN, documents, text_of
from .documents import Dialogue

LIMIT = 8_000_000
SAMPLES = (
    "Hello, world!",
    " two  spaces\n\tand a tab ",
    "你好！😊 龘",
    "don't  stop",
    "\u0000\u200d👩‍👩‍👧 é",
    "1 + 1=2",
)


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Saves weights, configuration, tokenizer and chat template, and checks them."""
    half = copy.deepcopy(model).to("cpu", torch.float16)
    half.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=0.7,
        top_p=0.9,
    )
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _name_the_tokenizer(folder / "tokenizer_config.json")
    (folder / "model.safetensors").chmod(0o644)
    check(folder)


def _name_the_tokenizer(path: Path) -> None:
    # transformers 5 writes a class name that transformers 4 cannot load; both know this one.
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def check(folder: Path) -> None:
    """Fails if the folder is too large or its tokenizer differs from the training's text."""
    size = (folder / "model.safetensors").stat().st_size
    if size > LIMIT:
        raise ValueError(f"model.safetensors has {size} bytes, allowed are {LIMIT}")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for text in SAMPLES:
        ids = tokenizer.encode(text, add_special_tokens=False)
        if tokenizer.decode(ids) != text:
            raise ValueError(f"the tokenizer does not round-trip {text!r}")
    if tokenizer.encode("a")[0] != tokenizer.convert_tokens_to_ids(BEGIN):
        raise ValueError("the tokenizer does not put the begin token first")
    dialogue = next(d for d in documents(1) if isinstance(d, Dialogue) and d.system)
    rendered = tokenizer.apply_chat_template(messages_of(dialogue), tokenize=False)
    if rendered != text_of(dialogue):
        raise ValueError("the chat template differs from the text of the training")


def messages_of(dialogue: Dialogue) -> list[dict[str, str]]:
    """The dialogue as a client would send it."""
    messages = []
    if dialogue.system is not None:
        messages.append({"role": "system", "content": dialogue.system})
    for exchange in dialogue.exchanges:
        messages.append({"role": "user", "content": exchange.question})
        messages.append({"role": "assistant", "content": exchange.answer})
    return messages
