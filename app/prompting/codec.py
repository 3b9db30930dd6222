"""What a tokenizer's two kinds, fast and slow, offer to everything above them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.prompting.framing import Frame

# Tokens that are added to a vocabulary as markup, not as words: <tool_call>, [INST], <｜User｜>.
TAG_SHAPE = re.compile(r"<[^\s<>]+>|\[[^\s\[\]]+\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A stretch of a rendered prompt: plain text, or exactly one control token's text."""

    text: str
    is_control: bool


class Codec(Protocol):
    """Text to ids and back. No method changes anything: all may be called by several threads."""

    vocabulary_size: int
    # Text -> id of what is marked as special, and of markup tokens that are not.
    special_tokens: Mapping[str, int]
    markup_tokens: Mapping[str, int]
    # Ids that decoding with skip_special_tokens leaves out.
    skipped_ids: frozenset[int]
    single: Frame
    pair: Frame
    # The part of `single` that no text can stand for, so that a chat template cannot write it.
    unwritable_prefix: tuple[int, ...]
    # How bytes that are not UTF-8 become U+FFFD: an error handler of `codecs`.
    byte_errors: str
    # Whether the first token of a text loses a leading space.
    is_start_stripped: bool

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which control tokens' text means the tokens; no special tokens added."""

    def encode_plain(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts in which nothing is a control token; no special tokens added."""

    def encode_pieces(self, pieces: Sequence[TextPiece]) -> list[int]:
        """Ids of one text, in which exactly the pieces marked so are control tokens."""

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of a whole sequence."""

    def token_bytes(self, token_id: int) -> bytes | None:
        """The bytes that a token stands for by itself; None if only decoding can tell."""
