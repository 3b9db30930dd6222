"""Token ids to text as they come: no half character goes out, none is lost."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Sequence

from app.prompting.tokenizers import Tokenizer

MAX_BLANK_TOKENS = 64  # at the start of a text; beyond it the text counts as begun


class IncrementalDetokenizer:
    """Turns token ids into text as they come; never emits half a character and loses none.

    Text is certain when its bytes are: at most 3 bytes, the beginning of one character, are held
    back, and bytes that cannot become a character are U+FFFD at once. However the ids are split
    into pushes, everything pushed and flushed together is

        decode(prompt + ids)[len(decode(prompt)):]

    with these precisions: a character that the prompt began and the ids complete belongs to the
    ids; and in a run of byte tokens (SentencePiece's byte fallback) that is not UTF-8 as a whole,
    the valid characters stay and each other byte is one U+FFFD, as SentencePiece itself decodes
    (the fast tokenizers' decoder gives up the whole run, which a stream cannot know in time).
    Cost per token: one table look-up.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt_ids: Sequence[int] = (),
        *,
        skip_special_tokens: bool = True,
        kept_tokens: Collection[str] = (),
    ) -> None:
        """`kept_tokens` are special tokens that are text although others are skipped."""
        self._codec = tokenizer.codec
        self._pieces = tokenizer.pieces
        kept = {tokenizer.special_tokens.get(token) for token in kept_tokens}
        self._skipped = self._codec.skipped_ids - kept if skip_special_tokens else frozenset[int]()
        self._decoder = codecs.getincrementaldecoder("utf-8")(self._codec.byte_errors)
        self._head = self._unwritten_head(prompt_ids)
        self._prompts_own = self._begin_after(prompt_ids)

    def _unwritten_head(self, prompt_ids: Sequence[int]) -> list[int] | None:
        """The tokens so far if they have no text yet: what comes next begins the text."""
        if not self._codec.is_start_stripped:
            return None
        head: list[int] = []
        for token_id in prompt_ids:
            if not self._piece(token_id):
                continue
            head.append(token_id)
            if len(head) > MAX_BLANK_TOKENS or self._decode(head):
                return None
        return head

    def _decode(self, ids: list[int]) -> str:
        return self._codec.decode(ids, skip_special_tokens=False)

    def _begin_after(self, prompt_ids: Sequence[int]) -> str:
        """Takes over the bytes of a character that the prompt leaves unfinished.

        Returns what they are if nothing completes them: the prompt's own U+FFFD, not the answer's.
        """
        tail = b""
        for token_id in reversed(prompt_ids):
            if len(tail) >= 4:
                break
            tail = self._piece(token_id) + tail
        self._decoder.decode(tail)
        unfinished = self._decoder.getstate()[0]
        self._has_part = bool(unfinished)
        return unfinished.decode(errors=self._codec.byte_errors)

    def _piece(self, token_id: int) -> bytes:
        return b"" if token_id in self._skipped else self._pieces[token_id]

    def push(self, ids: Sequence[int]) -> str:
        """The text that is certain now."""
        if self._head is not None:
            return self._push_head(ids)
        pieces, skipped = self._pieces, self._skipped
        return self._text(b"".join([pieces[each] for each in ids if each not in skipped]))

    def _text(self, data: bytes) -> str:
        # Nearly all tokens are whole characters, and the incremental decoder costs twice as much.
        if not self._has_part:
            try:
                return data.decode()
            except UnicodeDecodeError:
                pass
        text = self._decoder.decode(data)
        self._has_part = bool(self._decoder.getstate()[0])
        return self._without_prompts_own(text)

    def _push_head(self, ids: Sequence[int]) -> str:
        """As long as there is no text, a token's text depends on its being the first."""
        for count, token_id in enumerate(ids, start=1):
            if not self._piece(token_id):
                continue
            data = self._head_bytes(token_id)
            if self._head is None:
                return self._text(data) + self.push(ids[count:])
        return ""

    def _head_bytes(self, token_id: int) -> bytes:
        head = [*(self._head or []), token_id]
        text = self._decode(head)
        self._head = head if not text and len(head) <= MAX_BLANK_TOKENS else None
        known = self._codec.token_bytes(token_id) if text else b""
        return text.encode() if known is None else known

    def _without_prompts_own(self, text: str) -> str:
        if text and self._prompts_own:
            text = text.removeprefix(self._prompts_own)
            self._prompts_own = ""
        return text

    def flush(self) -> str:
        """What is left at the end: an incomplete character, as U+FFFD."""
        self._has_part = False
        return self._without_prompts_own(self._decoder.decode(b"", final=True))
