"""The text of one choice as its tokens come: whole characters, without stop strings."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from app.backends.generation import Continuation
from app.chunks import Chunk, TextLogprob, TokenLogprob, Tokens
from app.prompting.detokenizer import IncrementalDetokenizer
from app.prompting.stop_sequences import StopStrings
from app.prompting.tokenizers import Tokenizer
from app.tally import TokenTimes
from app.types import Generation


class ChoiceText:
    """One choice. Its stop strings count from the token after the first `min_tokens`."""

    def __init__(self, tokenizer: Tokenizer, item: Continuation, request: Generation) -> None:
        self._detokenizer = IncrementalDetokenizer(
            tokenizer,
            item.prompt_ids,
            skip_special_tokens=request.skip_special_tokens,
            kept_tokens=request.kept_special_tokens,
        )
        stops = StopStrings(request.stop, include_stop=request.has_stop_in_output)
        self._stops = stops if request.stop else None
        self._min_tokens = request.sampling.min_tokens or 0
        num_top = request.sampling.logprobs
        self._ledger = None if num_top is None else LogprobLedger(tokenizer, num_top)
        self._is_plain = self._stops is None and self._ledger is None
        self._index = item.index
        self._num_decoded = 0
        self._num_released = 0
        self.num_tokens = 0
        self.finish_reason: str | None = None
        self.times = TokenTimes()

    def chunk(self, tokens: Tokens) -> Chunk | None:
        """What is certain now, None where that is nothing yet."""
        if self._is_plain and tokens.finish_reason is None and tokens.text is None:
            self.num_tokens += len(tokens.ids)
            text = self._detokenizer.push(tokens.ids)
            if tokens.ids and not text:
                return None
            return Chunk(text, self.num_tokens, self._index)
        is_over = tokens.finish_reason is not None
        text = self._push(tokens) if tokens.text is None else self._push_text(tokens)
        if is_over and not self._has_matched:
            text += self._rest()
        if self._stops is not None and self._stops.matched is not None:
            chunk = self._made(text, "stop", self._stops.matched)
        else:
            chunk = self._made(text, tokens.finish_reason, tokens.stop_reason)
        chunk.prompt_logprobs = tokens.prompt_logprobs
        is_held_back = chunk.is_silence and (tokens.ids or tokens.text)
        return None if is_held_back else chunk

    def silence(self) -> Chunk:
        """The sign that nothing is certain yet."""
        return Chunk("", self.num_tokens, self._index)

    @property
    def _has_matched(self) -> bool:
        return self._stops is not None and self._stops.matched is not None

    def _push(self, tokens: Tokens) -> str:
        if self._is_plain:
            self.num_tokens += len(tokens.ids)
            return self._detokenizer.push(tokens.ids)
        text = ""
        # One by one, so that the count ends with the token that completes a stop string.
        for place, token_id in enumerate(tokens.ids):
            self.num_tokens += 1
            decoded = self._detokenizer.push([token_id])
            if self._ledger is not None:
                start = self._num_decoded + self._ledger.num_before(token_id, decoded)
                self._note(tokens.logprobs[place : place + 1], [start])
            text += self._certain(decoded)
            if self._has_matched:
                break
        return text

    def _push_text(self, tokens: Tokens) -> str:
        """Text from a backend that detokenises itself, usually a token's."""
        given = tokens.text or ""
        if tokens.num_tokens is not None:
            self.num_tokens = tokens.num_tokens
        elif given:
            self.num_tokens += 1
        lengths = [len(entry.text or "") for entry in tokens.logprobs]
        starts = [self._num_decoded + sum(lengths[:place]) for place in range(len(lengths))]
        self._note(tokens.logprobs, starts)
        return self._certain(given)

    def _note(self, logprobs: Sequence[TokenLogprob], offsets: Sequence[int]) -> None:
        if self._ledger is not None:
            for entry, offset in zip(logprobs, offsets, strict=False):
                self._ledger.add(entry, offset)

    def _certain(self, text: str) -> str:
        self._num_decoded += len(text)
        if self._stops is None or self.num_tokens <= self._min_tokens:
            return text
        return self._stops.push(text)

    def _rest(self) -> str:
        rest = self._detokenizer.flush()
        if self._stops is None:
            return rest
        return self._stops.push(rest) + self._stops.flush()

    def _made(self, text: str, finish_reason: str | None, stop_reason: int | str | None) -> Chunk:
        self.finish_reason = finish_reason
        chunk = Chunk(text, self.num_tokens, self._index, finish_reason, stop_reason)
        if self._ledger is not None:
            self._num_released += len(text)
            is_complete = finish_reason is not None and not self._has_matched
            chunk.logprobs = self._ledger.release(None if is_complete else self._num_released)
            chunk.cumulative_logprob = self._ledger.total
        return chunk


class LogprobLedger:
    """Logprobs of tokens whose text is still held back; `total` is the sum of all so far."""

    def __init__(self, tokenizer: Tokenizer, num_top: int) -> None:
        self._pieces = tokenizer.pieces
        self._num_top = num_top
        self._held: deque[TextLogprob] = deque()
        self.total = 0.0

    def add(self, entry: TokenLogprob, offset: int) -> None:
        """A token whose text begins at `offset`."""
        self.total += entry.logprob
        # A backend that tells no alternatives is asked for one only where it takes the likeliest.
        likeliest = (entry.top or (entry,))[: self._num_top]
        top = tuple(self._as_text(each, offset) for each in likeliest)
        self._held.append(self._as_text(entry, offset, top))

    def num_before(self, token_id: int, decoded: str) -> int:
        """How many characters of what a token made certain are not its own.

        A token that does not go on with a character that others began shows it to be broken.
        """
        piece = self._pieces[token_id] if decoded.startswith("\ufffd") else b""
        if not piece or 0x80 <= piece[0] < 0xC0:
            return 0
        own = codecs.getincrementaldecoder("utf-8")("replace").decode(piece)
        return max(len(decoded) - len(own), 0)

    def release(self, num_characters: int | None) -> tuple[TextLogprob, ...]:
        """Those whose text begins within the first so many characters, None for all."""
        released = []
        while self._held and (num_characters is None or self._held[0].offset < num_characters):
            released.append(self._held.popleft())
        return tuple(released)

    def _as_text(
        self, entry: TokenLogprob, offset: int, top: tuple[TextLogprob, ...] = ()
    ) -> TextLogprob:
        if entry.token_id is None:
            return TextLogprob((entry.text or "").encode(), entry.logprob, offset, top)
        return TextLogprob(self._pieces[entry.token_id], entry.logprob, offset, top)
