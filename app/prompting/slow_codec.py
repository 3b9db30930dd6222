"""The slow tokenizers' codec: Python classes, often a folder's own code in the style of 2023."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.prompting.codec import TAG_SHAPE, TextPiece
from app.prompting.framing import Frame, frame_from_probe
from app.prompting.pieces import BYTE_BY_BYTE

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_FIRST, _SECOND = -1, -2  # stand for the two texts' ids when the special tokens are probed


class SlowCodec:
    """A codec on a slow `PreTrainedTokenizer`.

    Only `tokenize` and `convert_*` are called, never `encode` or `__call__`: those end in `_pad`,
    which classes of 2023 override without the argument that is passed since.
    """

    byte_errors = BYTE_BY_BYTE
    is_start_stripped = True

    def __init__(self, hub_tokenizer: Any) -> None:
        self._hub = hub_tokenizer
        vocabulary: dict[str, int] = hub_tokenizer.get_vocab()
        # A vocabulary by text is too short where several ids have the same text (chatglm2).
        self.vocabulary_size = max(
            len(hub_tokenizer), hub_tokenizer.vocab_size, max(vocabulary.values(), default=-1) + 1
        )
        self.special_tokens: Mapping[str, int] = self._special_tokens()
        self.skipped_ids = frozenset(hub_tokenizer.all_special_ids)
        self.markup_tokens: Mapping[str, int] = {
            text: token_id
            for text, token_id in vocabulary.items()
            if self._is_markup(text, token_id)
        }
        self._inside_control = _pattern({**self.special_tokens, **self.markup_tokens})
        self.single, self.pair = self._frame([_FIRST]), self._frame([_FIRST], [_SECOND])
        self.unwritable_prefix = self._unwritable_prefix()
        self._newline_ids = self.encode("\n")

    def _special_tokens(self) -> dict[str, int]:
        added: Mapping[int, Any] = self._hub.added_tokens_decoder
        marked = {str(token): at for at, token in added.items() if getattr(token, "special", True)}
        named = self._hub.all_special_tokens
        found = dict(zip(named, self._hub.convert_tokens_to_ids(named), strict=True))
        return {text: at for text, at in {**found, **marked}.items() if text and at is not None}

    def _is_markup(self, text: str, token_id: int) -> bool:
        """Whether typing a tag makes the token: SentencePiece's user-defined symbols do that."""
        if text in self.special_tokens or not TAG_SHAPE.fullmatch(str(text)):
            return False
        return not _BYTE_TOKEN.fullmatch(text) and token_id in self.encode(f"x{text}")

    def _frame(self, *texts: list[int]) -> Frame:
        ids = self._hub.build_inputs_with_special_tokens(*texts)
        owners = [{_FIRST: 0, _SECOND: 1}.get(token_id) for token_id in ids]
        type_ids = self._hub.create_token_type_ids_from_sequences(*texts)
        if len(type_ids) != len(ids):
            type_ids = [0] * len(ids)
        return frame_from_probe(ids, owners, type_ids, self._hub.truncation_side == "left")

    def _unwritable_prefix(self) -> tuple[int, ...]:
        prefix = self.single.prefix
        texts = self._hub.convert_ids_to_tokens(list(prefix))
        return () if any(map(self.encode, texts)) else prefix

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._hub.convert_tokens_to_ids(self._hub.tokenize(text)) if text else []
        return ids

    def encode_plain(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._encode_cut(text, self._cuts(text)) for text in texts]

    def encode_pieces(self, pieces: Sequence[TextPiece]) -> list[int]:
        """Special tokens stand alone; markup stays in its text, where `tokenize` finds it."""
        ids: list[int] = []
        text, cuts = "", list[int]()
        for piece in pieces:
            if piece.is_control and piece.text in self.special_tokens:
                ids += [*self._encode_cut(text, cuts), self.special_tokens[piece.text]]
                text, cuts = "", []
                continue
            if not piece.is_control:
                cuts += [len(text) + at for at in self._cuts(piece.text)]
            text += piece.text
        return ids + self._encode_cut(text, cuts)

    def _cuts(self, text: str) -> list[int]:
        """Where a text is cut so that no control token is found: behind its first character."""
        return [match.start() + 1 for match in self._inside_control.finditer(text)]

    def _encode_cut(self, text: str, cuts: list[int]) -> list[int]:
        parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
        ids = self.encode(parts[0])
        for part in parts[1:]:
            ids += self._without_newline(self.encode(f"\n{part}"))
        return ids

    def _without_newline(self, ids: list[int]) -> list[int]:
        """A newline in front keeps SentencePiece from writing a space before the rest of a word."""
        num_newline = len(self._newline_ids)
        return ids[num_newline:] if ids[:num_newline] == self._newline_ids else ids

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        known = [token_id for token_id in ids if 0 <= token_id < self.vocabulary_size]
        text: str = self._hub.decode(
            known,
            skip_special_tokens=skip_special_tokens,
            clean_up_tokenization_spaces=False,
        )
        return text

    def token_bytes(self, token_id: int) -> bytes | None:
        if not 0 <= token_id < self.vocabulary_size:
            return b""  # a model's output layer is often padded beyond its vocabulary
        token = self._hub.convert_ids_to_tokens([token_id])[0]
        if isinstance(token, bytes):
            return token
        match = _BYTE_TOKEN.fullmatch(token or "")
        return bytes.fromhex(match[1]) if match else None


def _pattern(control_tokens: Mapping[str, int]) -> re.Pattern[str]:
    longest_first = sorted(control_tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
