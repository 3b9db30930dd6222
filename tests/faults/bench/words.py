"""Prompts, and what the bench's models answer to them."""

from __future__ import annotations

from itertools import cycle, islice

from tokenizers import Tokenizer

from tests.faults.bench.repository import CHAT_FOLDER


class Words:
    """Knows the right text of every answer."""

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(str(CHAT_FOLDER / "tokenizer.json"))

    @staticmethod
    def prompt(number: int) -> str:
        """One of its own for each number, so that an answer that went astray is recognised."""
        return f"story number {number} of the river and the moon"

    def answer(self, prompt: str, num_words: int) -> str:
        """What `llm` says to a prompt: its tokens, over and over."""
        ids = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        text: str = self._tokenizer.decode(list(islice(cycle(ids), num_words)))
        return text

    @staticmethod
    def text_answer(prompt: str, num_words: int) -> str:
        """What `text-bad` says to a prompt: its words, each with a space behind it."""
        return "".join(f"{word} " for word in islice(cycle(prompt.split()), num_words))
