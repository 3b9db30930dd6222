"""The fast tokenizers' codec: `tokenizers` itself, without the switches that are turned per call.

https://huggingface.co/docs/tokenizers
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tokenizers

from app.prompting.ascii_texts import ascii_texts
from app.prompting.codec import TAG_SHAPE, TextPiece
from app.prompting.framing import Frame, frame_from_probe
from app.prompting.pieces import BYTE_BY_BYTE


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's table: each byte is written as one printable character."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(hidden)}


BYTE_ALPHABET = _byte_alphabet()


def _decoder_types(state: Any) -> Iterator[str]:
    """The types of a serialised decoder and of the decoders inside it."""
    if isinstance(state, dict):
        yield str(state.get("type"))
        for part in state.get("decoders", []):
            yield from _decoder_types(part)


class FastCodec:
    """A codec on two `tokenizers.Tokenizer`s that nothing changes after the start.

    `encode_batch_fast` releases the GIL and `encode` does not (measured: tokenizers 0.23.3), so
    single texts go through it too.
    """

    unwritable_prefix: tuple[int, ...] = ()

    def __init__(self, hub_tokenizer: Any) -> None:
        self._raw: tokenizers.Tokenizer = hub_tokenizer.backend_tokenizer
        self._raw.no_truncation()
        self._raw.no_padding()
        self._raw.encode_special_tokens = False
        added = self._raw.get_added_tokens_decoder()
        self.special_tokens: Mapping[str, int] = {
            token.content: token_id for token_id, token in added.items() if token.special
        }
        self.markup_tokens: Mapping[str, int] = {
            token.content: token_id
            for token_id, token in added.items()
            if not token.special and TAG_SHAPE.fullmatch(token.content)
        }
        self.skipped_ids = frozenset(self.special_tokens.values())
        vocabulary = self._raw.get_vocab(with_added_tokens=True)
        self.vocabulary_size = max(len(vocabulary), max(vocabulary.values(), default=-1) + 1)
        is_cut_left = hub_tokenizer.truncation_side == "left"
        self.single, self.pair = self._frame(is_cut_left, "a"), self._frame(is_cut_left, "a", "b")
        self._read_decoder()
        state = json.loads(self._raw.to_str())
        self._aliases = _Aliases(state, {**self.special_tokens, **self.markup_tokens})

    def _frame(self, is_cut_left: bool, first: str, second: str | None = None) -> Frame:
        encoding = self._raw.encode(first, second)
        return frame_from_probe(encoding.ids, encoding.sequence_ids, encoding.type_ids, is_cut_left)

    def _read_decoder(self) -> None:
        decoder = self._raw.decoder
        types = set(_decoder_types(json.loads(decoder.__getstate__()))) if decoder else set()
        self._is_byte_level = "ByteLevel" in types
        self._has_byte_tokens = "ByteFallback" in types
        self.is_start_stripped = not self._is_byte_level
        self.byte_errors = "replace" if self._is_byte_level else BYTE_BY_BYTE

    def encode(self, text: str) -> list[int]:
        return self._raw.encode_batch_fast([text], add_special_tokens=False)[0].ids

    def encode_plain(self, texts: Sequence[str]) -> list[list[int]]:
        return self._aliases.encode_batch(texts)

    def encode_pieces(self, pieces: Sequence[TextPiece]) -> list[int]:
        names = self._aliases.names
        text = "".join(names[piece.text] if piece.is_control else piece.text for piece in pieces)
        return self._aliases.encode_batch([text])[0]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        # Only the batch's method lets other threads run meanwhile.
        texts: list[str] = self._raw.decode_batch([ids], skip_special_tokens=skip_special_tokens)
        return texts[0]

    def token_bytes(self, token_id: int) -> bytes | None:
        token = self._raw.id_to_token(token_id)
        if token is None:
            return b""
        if self._is_byte_level:
            return _byte_level_bytes(token)
        if self._has_byte_tokens and len(token) == 6 and token[:3] == "<0x" and token[5] == ">":
            return bytes.fromhex(token[3:5])
        return None


def _byte_level_bytes(token: str) -> bytes:
    try:
        return bytes(map(BYTE_ALPHABET.__getitem__, token))
    except KeyError:
        # An added token with a character outside the alphabet is its own text.
        return token.encode()


class _Aliases:
    """A second tokenizer that knows each control token only by a name that nobody can type.

    It reads "<|im_end|>" as plain text, and the token where its secret name stands: one call
    encodes a prompt that holds both, with everything that depends on context (a leading space,
    tokens that swallow white space beside them) as in the first tokenizer. `encode_special_tokens`
    could not tell the two apart, and leaves tokens that are not marked as special.
    """

    def __init__(self, state: dict[str, Any], control_tokens: Mapping[str, int]) -> None:
        nonce = secrets.token_hex(8)
        self.names = {
            text: f"\ue000{nonce}x{token_id}\ue001" for text, token_id in control_tokens.items()
        }
        for token in state["added_tokens"]:
            token["content"] = self.names.get(token["content"], token["content"])
        state.update(truncation=None, padding=None, post_processor=None)
        _rename_in_model(state["model"], self.names)
        self._raw = tokenizers.Tokenizer.from_str(json.dumps(state))
        self._ascii = ascii_texts(state)
        named = {name: self._raw.token_to_id(name) for name in self.names.values()}
        ids = {named[name]: control_tokens[text] for text, name in self.names.items()}
        self._moved = {new: old for new, old in ids.items() if new != old}

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._encodings(texts)
        if not self._moved:
            return [encoding.ids for encoding in encodings]
        moved = self._moved
        return [[moved.get(token_id, token_id) for token_id in each.ids] for each in encodings]

    def _encodings(self, texts: Sequence[str]) -> list[Any]:
        if self._ascii is None:
            return self._raw.encode_batch_fast(list(texts), add_special_tokens=False)
        plain = iter(self._ascii.encode_batch([text for text in texts if text.isascii()]))
        rest = [text for text in texts if not text.isascii()]
        other = iter(self._raw.encode_batch_fast(rest, add_special_tokens=False) if rest else [])
        return [next(plain if text.isascii() else other) for text in texts]


def _rename_in_model(model: dict[str, Any], names: Mapping[str, str]) -> None:
    """Renames control tokens in the vocabulary too, or the model itself could find their text."""
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocabulary]
    elif isinstance(vocabulary, dict):
        merged = _merged_tokens(model.get("merges") or [])
        model["vocab"] = {
            token if token in merged else names.get(token, token): token_id
            for token, token_id in vocabulary.items()
        }
        unknown = model.get("unk_token")
        if isinstance(unknown, str) and unknown not in merged:
            model["unk_token"] = names.get(unknown, unknown)


def _merged_tokens(merges: Sequence[Any]) -> set[str]:
    """Tokens that a BPE model's merges name; renaming one would leave a merge without a result."""
    pairs = (merge.split(" ", 1) if isinstance(merge, str) else merge for merge in merges)
    return {token for left, right in pairs for token in (left, right, left + right)}
