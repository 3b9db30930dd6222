"""Which chat template of those that come with the server a Hugging Face folder's model speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Tokenizers of Llama 3 and of GLM-4 are larger than those of the models of the same type before.
LLAMA3_VOCABULARY = 128_000
GLM4_VOCABULARY = 150_000
# A word in the folder's or the model's name says more than the type of its architecture.
BY_NAME: Sequence[tuple[str, str]] = (
    ("vicuna", "vicuna.jinja"),
    ("alpaca", "alpaca.jinja"),
    ("chatglm3", "chatglm3.jinja"),
    ("chatglm2", "chatglm2.jinja"),
    ("glm-4", "glm4.jinja"),
    ("deepseek", "deepseek.jinja"),
    ("internlm2", "chatml.jinja"),
    ("llama-3", "llama3.jinja"),
    ("llama-2", "llama2.jinja"),
)
BY_TYPE: Mapping[str, str] = {
    "baichuan": "baichuan2.jinja",
    "chatglm": "chatglm2.jinja",
    "deepseek_v2": "deepseek.jinja",
    "deepseek_v3": "deepseek.jinja",
    "gemma": "gemma.jinja",
    "gemma2": "gemma.jinja",
    "gemma3": "gemma.jinja",
    "gemma3_text": "gemma.jinja",
    "glm": "glm4.jinja",
    "glm4": "glm4.jinja",
    "internlm2": "chatml.jinja",
    "llama": "llama2.jinja",
    "mistral": "mistral.jinja",
    "mixtral": "mistral.jinja",
    "phi3": "phi3.jinja",
    "qwen": "chatml.jinja",
    "qwen2": "qwen.jinja",
    "qwen2_moe": "qwen.jinja",
    "qwen3": "qwen.jinja",
    "qwen3_moe": "qwen.jinja",
}


@dataclass(frozen=True, slots=True)
class TemplateGuess:
    """A template's file, None for the folder's own or for none; and why."""

    file: str | None
    reason: str
    has_own: bool = False


def guess_template(folder: Path) -> TemplateGuess:
    """What the folder says, and where it says nothing what its model's type suggests."""
    if _has_own(folder):
        return TemplateGuess(None, "the folder's tokenizer has a template of its own", has_own=True)
    config = _object(folder / "config.json")
    kind, vocabulary = str(config.get("model_type", "")), config.get("vocab_size")
    names = f"{folder.name} {config.get('_name_or_path', '')}".lower()
    for word, file in BY_NAME:
        if word in names:
            return TemplateGuess(file, f"the model's name has {word} in it")
    large = vocabulary if isinstance(vocabulary, int) else 0
    if kind == "llama" and large >= LLAMA3_VOCABULARY:
        return TemplateGuess("llama3.jinja", "the vocabulary is as large as Llama 3's")
    if kind == "chatglm" and large >= GLM4_VOCABULARY:
        return TemplateGuess("glm4.jinja", "the vocabulary is as large as GLM-4's")
    if kind in BY_TYPE:
        return TemplateGuess(BY_TYPE[kind], f'config.json says "model_type": "{kind}"')
    return TemplateGuess(None, "nothing in the folder tells which")


def _has_own(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    return bool(_object(folder / "tokenizer_config.json").get("chat_template"))


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
