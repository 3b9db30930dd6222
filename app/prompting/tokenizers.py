"""A model's tokenizer: text to token ids and back, the same from any number of threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.prompting.codec import Codec, TextPiece
from app.prompting.framing import Frame, PairEncoding
from app.prompting.pieces import PieceTable
from app.prompting.tokenizer_loading import TokenizerLoadError, load_hub_tokenizer

__all__ = ["PairEncoding", "TextPiece", "Tokenizer", "TokenizerLoadError", "load_tokenizer"]


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> Tokenizer:
    """The tokenizer of a Hugging Face folder, from local files alone.

    Raises TokenizerLoadError, also for a folder that brings its own code without
    `trust_remote_code`.
    """
    hub_tokenizer = load_hub_tokenizer(folder, trust_remote_code=trust_remote_code)
    return Tokenizer(hub_tokenizer)


class Tokenizer:
    """What the server needs of a tokenizer. Nothing in it changes: share it between threads.

    `vocabulary_size`: ids are 0 <= id < vocabulary_size. `special_tokens`: every control token's
    text -> id. `markup_tokens`: the same for added tokens in the shape of a tag that are not marked
    as special, such as `<tool_call>`. `template_tokens`: what a chat template sees, `bos_token` ->
    text. `chat_template`: the folder's own template source. `unwritable_prefix`: ids that begin
    every prompt and have no text for a template to write (chatglm2's `[gMASK]` and `sop`).
    """

    def __init__(self, hub_tokenizer: Any) -> None:
        self.is_fast: bool = hub_tokenizer.is_fast
        self.codec: Codec = _codec(hub_tokenizer)
        self.pieces = PieceTable(self.codec)
        self.vocabulary_size = self.codec.vocabulary_size
        self.bos_id: int | None = getattr(hub_tokenizer, "bos_token_id", None)
        self.eos_id: int | None = getattr(hub_tokenizer, "eos_token_id", None)
        self.pad_id: int | None = getattr(hub_tokenizer, "pad_token_id", None)
        self.special_tokens: Mapping[str, int] = self.codec.special_tokens
        self.markup_tokens: Mapping[str, int] = self.codec.markup_tokens
        self.unwritable_prefix = self.codec.unwritable_prefix
        self.template_tokens: Mapping[str, str] = dict(hub_tokenizer.special_tokens_map)
        self.chat_template: str | None = _chat_template(hub_tokenizer)
        self._convert_ids = hub_tokenizer.convert_ids_to_tokens

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Ids of a raw prompt; a control token's text in it is the control token."""
        ids = self.codec.encode(text)
        return self.codec.single.around(ids) if add_special_tokens else ids

    def encode_batch(
        self,
        texts: Sequence[str],
        *,
        max_tokens: int | None,
        add_special_tokens: bool = True,
        is_cut_left: bool | None = None,
    ) -> list[list[int]]:
        """Ids of user texts with special tokens around, each cut to `max_tokens` in all.

        A control token's text in them is plain text. `is_cut_left` None is the folder's own way.
        """
        frame = self._single(add_special_tokens).cutting(is_cut_left)
        return [frame.around(ids, max_tokens) for ids in self.codec.encode_plain(texts)]

    def encode_pairs(
        self,
        query: str,
        documents: Sequence[str],
        *,
        max_tokens: int | None,
        max_document_tokens: int | None = None,
        is_cut_left: bool | None = None,
        query_param: str = "query",
    ) -> list[PairEncoding]:
        """Ids of (query, document) pairs, cut to `max_tokens` in all, in the document only.

        A document is cut to `max_document_tokens` before that. None is no limit. Raises
        ContextLengthExceeded (of `query_param`) if the query leaves no room for a document.
        """
        query_ids, *document_ids = self.codec.encode_plain([query, *documents])
        frame = self.codec.pair.cutting(is_cut_left)
        rooms = [] if max_document_tokens is None else [max_document_tokens]
        if max_tokens is not None:
            rooms.append(frame.room_for_document(query_ids, max_tokens, query_param))
        room = min(rooms, default=None)
        return [frame.pair(query_ids, ids, room) for ids in document_ids]

    def encode_pieces(self, pieces: Sequence[TextPiece]) -> list[int]:
        """Ids of one text in which exactly the pieces marked so are control tokens."""
        return self.codec.encode_pieces(pieces)

    def wrap(
        self,
        ids: Sequence[int],
        *,
        max_tokens: int | None,
        add_special_tokens: bool = True,
        is_cut_left: bool | None = None,
    ) -> list[int]:
        """A client's own ids with special tokens around, unless they are there; cut likewise."""
        frame = self._single(add_special_tokens).cutting(is_cut_left)
        return frame.around(frame.without(ids), max_tokens)

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Each token as the vocabulary writes it, "" for an id that has none."""
        return [_printable(token) for token in self._convert_ids(list(ids))]

    def _single(self, has_special_tokens: bool) -> Frame:
        return (
            self.codec.single
            if has_special_tokens
            else Frame(is_cut_left=self.codec.single.is_cut_left)
        )

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The exact text of ids; no space is cleaned up."""
        return self.codec.decode(ids, skip_special_tokens=skip_special_tokens)


def _printable(token: Any) -> str:
    # Some slow tokenizers give bytes.
    return token.decode("utf-8", "replace") if isinstance(token, bytes) else str(token or "")


def _codec(hub_tokenizer: Any) -> Codec:
    if hub_tokenizer.is_fast:
        from app.prompting.fast_codec import FastCodec

        return FastCodec(hub_tokenizer)
    from app.prompting.slow_codec import SlowCodec

    return SlowCodec(hub_tokenizer)


def _chat_template(hub_tokenizer: Any) -> str | None:
    template = hub_tokenizer.chat_template
    if isinstance(template, dict):  # several templates by name
        template = template.get("default")
    return template if isinstance(template, str) else None
