"""Texts of a wanted number of tokens, by the tokenizers of the demo's models."""

from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from benchmarks.places import CHAT_FOLDER, ENCODER_FOLDER

SENTENCE = (
    "The office is open from nine to five and the library closes at six on Friday."
    " Every employee has a number of days of paid holiday in a year, which are counted from the"
    " first of March. "
)
CHAT_FORM = "<|begin|><|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
"""What the chat template of the demo's model makes of one message; the tests compare."""


@cache
def chat_text(tokens: int) -> str:
    """A message whose prompt, with the chat template around it, has `tokens` tokens or few less."""
    return _fitted(CHAT_FOLDER, CHAT_FORM, tokens)


@cache
def encoder_text(tokens: int) -> str:
    """A text that has `tokens` tokens or few less, with the two that the tokenizer adds."""
    return _fitted(ENCODER_FOLDER, "{}", tokens)


@cache
def chat_tokens(text: str) -> int:
    """How many tokens the prompt of this one message has."""
    return _count(CHAT_FOLDER, CHAT_FORM.format(text))


@cache
def answer_ids(count: int) -> tuple[int, ...]:
    """Ids of plain text for the mock's answers, none of them special."""
    text = SENTENCE * (count // 20 + 1)
    ids = _tokenizer(CHAT_FOLDER).encode(text, add_special_tokens=False).ids
    return tuple(ids[:count])


def megabyte_text(size: int) -> str:
    """A text of `size` bytes."""
    return (SENTENCE * (size // len(SENTENCE) + 1))[:size]


def _fitted(folder: Path, form: str, tokens: int) -> str:
    words = (SENTENCE * (tokens // 20 + 1)).split()
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if _count(folder, form.format(" ".join(words[:middle]))) <= tokens:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def _count(folder: Path, text: str) -> int:
    return len(_tokenizer(folder).encode(text, add_special_tokens=folder != CHAT_FOLDER).ids)


@cache
def _tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
