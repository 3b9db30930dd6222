"""What each token adds to a text that has already begun."""

from __future__ import annotations

import codecs

from app.prompting.codec import Codec

BYTE_BY_BYTE = "prompting-byte-by-byte"


def _replace_byte_by_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


# SentencePiece writes one U+FFFD for every byte that belongs to no character; a byte-level decoder
# writes one for every maximal broken sequence, which is Python's "replace".
codecs.register_error(BYTE_BY_BYTE, _replace_byte_by_byte)


class PieceTable(dict[int, bytes]):
    """Token id -> the bytes that it appends to a running text, learnt on first use and kept.

    Every decoder in use (byte-level, SentencePiece, WordPiece) works token by token once a text has
    begun, so a token's bytes are found by decoding it behind a known one. Filling the table from
    several threads is harmless: all find the same value.
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self._codec = codec
        self._anchor, self._anchor_text = self._find_anchor()

    def _find_anchor(self) -> tuple[list[int], str]:
        for probe in ("a", "x", "0", "的"):
            anchor = self._codec.encode(probe)[-1:]
            text = self._codec.decode(anchor, skip_special_tokens=False)
            if text == probe:
                return anchor, text
        return [], ""

    def __missing__(self, token_id: int) -> bytes:
        piece = self[token_id] = self._learn(token_id)
        return piece

    def _learn(self, token_id: int) -> bytes:
        known = self._codec.token_bytes(token_id)
        if known is not None:
            return known
        text = self._codec.decode([*self._anchor, token_id], skip_special_tokens=False)
        if text.startswith(self._anchor_text):
            return text[len(self._anchor_text) :].encode()
        # Some slow tokenizers write a space before the text that precedes a special token.
        return self._codec.decode([token_id], skip_special_tokens=False).encode()
