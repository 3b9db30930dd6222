"""Reading the vLLM backend's answers: deltas of text, and how many tokens and why it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from app.backends.dropped_words import DroppedWords
from app.backends.generation import GenerationJob
from app.backends.sampling_rules import is_endless
from app.backends.text_growth import TextGrowth
from app.backends.text_tokens import count_piece, count_tokens, texts_of
from app.backends.vllm_logprobs import read_logprobs
from app.backends.vllm_parameters import Stops, shows_special_tokens
from app.chunks import TokenLogprob, Tokens
from app.prompting.stop_sequences import StopStrings
from app.prompting.tokenizers import Tokenizer
from app.triton.errors import broken_contract
from app.types import Generation


class VllmReader:
    """One answer.

    `old_prompt` is the prompt for releases that may begin each message with it and all text so
    far, as those of 23.10 to 24.02 do.
    """

    def __init__(
        self, tokenizer: Tokenizer, job: GenerationJob, stops: Stops, old_prompt: str
    ) -> None:
        self._tokenizer = tokenizer
        self._request = job.request
        self._max_tokens = job.continuations[0].max_tokens
        self._stops = stops
        self._old_prompt = old_prompt
        self._growth: TextGrowth | None = None
        self._dropped = DroppedWords(_unwanted_marks(tokenizer, job.request))
        self._own_stops = StopStrings(stops.own)
        # What vLLM itself has shown last, in which its stop strings may begin.
        self._longest_stop = max(map(len, stops.texts), default=1)
        self._tail = ""
        self._text = ""
        self._num_messages = 0
        self._num_tokens = 0
        self._reason: str | None = None
        self._stop_reason: int | None = None
        self.is_over = False

    @property
    def has_ended_itself(self) -> bool:
        """Whether vLLM itself has said that it has ended."""
        return self._reason is not None

    def read(self, message: Any) -> Iterable[Tokens]:
        """What a message adds."""
        texts = message.output("text_output")
        if texts is None:
            # Releases before 24.03 end with a message that holds a flag alone.
            return
        new = self._grown(texts_of(texts, 1)[0])
        logprobs = self._logprobs(message)
        self._num_messages += bool(new)
        self._num_tokens += self._counted(message, new)
        self._reason = _finish_reason(message)
        if self._reason is not None:
            new, logprobs = self._without_end(new, logprobs)
        self._tail = (self._tail + new)[-self._longest_stop :]
        certain = self._wanted(new, is_last=self._reason is not None)
        if self._own_stops.matched is not None:
            yield self._finished(certain, "stop", logprobs)
        elif self._reason is not None:
            yield self._finished(certain, self._reason, logprobs)
        elif certain or logprobs:
            yield Tokens(text=certain, num_tokens=self._num_tokens, logprobs=logprobs)

    def at_end(self) -> Iterable[Tokens]:
        """What is left when the stream ends: the release does not tell why, so tokens count."""
        if self._growth is None:
            raise broken_contract("the stream ended without an answer")
        rest = self._wanted(self._growth.flush(), is_last=True)
        count = max(count_tokens(self._tokenizer, self._text), self._num_messages)
        is_full = count >= self._max_tokens or is_endless(self._request)
        self._num_tokens = self._max_tokens if is_full else count
        yield self._finished(rest, "length" if is_full else "stop")

    def _wanted(self, new: str, *, is_last: bool) -> str:
        """What is certain now of the answer's text, all of it if it `is_last`."""
        certain = self._own_stops.push(self._dropped.push(new))
        if is_last:
            certain += self._own_stops.push(self._dropped.flush()) + self._own_stops.flush()
        self._text += certain
        return certain

    def _grown(self, text: str) -> str:
        if self._growth is None:
            is_old = bool(self._old_prompt) and text.startswith(self._old_prompt)
            prompts = (self._old_prompt,) if is_old else ()
            self._growth = TextGrowth(is_cumulative=is_old, prompts=prompts)
        return self._growth.push(text)

    def _counted(self, message: Any, new: str) -> int:
        told = message.output("num_output_tokens")
        if told is not None and told.size:
            return int(told.reshape(-1)[0])
        return count_piece(self._tokenizer, new)

    def _logprobs(self, message: Any) -> list[TokenLogprob]:
        told = message.output("logprobs")
        num_top = self._request.sampling.logprobs
        if told is None or num_top is None or not told.size:
            return []
        return read_logprobs(told.reshape(-1)[0], num_top)

    def _without_end(
        self, new: str, logprobs: list[TokenLogprob]
    ) -> tuple[str, list[TokenLogprob]]:
        """The last piece without the token that ended the answer, which vLLM counts and may show.

        After a stop string there is none.
        """
        shown = self._tail + new
        if self._reason != "stop" or shown.endswith(self._stops.texts):
            return new, logprobs
        token, text = self._shown_end(new)
        if token in self._request.stop_token_ids:
            self._stop_reason = token
            if self._request.has_stop_in_output:
                return new, logprobs
        self._num_tokens = max(self._num_tokens - 1, 0)
        return new.removesuffix(text), logprobs[:-1]

    def _shown_end(self, new: str) -> tuple[int | None, str]:
        """The token that ended the answer and its text, if vLLM was told to show it."""
        skip = not shows_special_tokens(self._request)
        for token in self._stops.ids if self._stops.is_shown else ():
            text = self._tokenizer.decode([token], skip_special_tokens=skip)
            if text and new.endswith(text):
                return token, text
        return None, ""

    def _finished(self, text: str, reason: str, logprobs: Sequence[TokenLogprob] = ()) -> Tokens:
        self.is_over = True
        return Tokens(
            text=text,
            finish_reason=reason,
            stop_reason=self._stop_reason,
            num_tokens=self._num_tokens,
            logprobs=logprobs,
        )


def _unwanted_marks(tokenizer: Tokenizer, request: Generation) -> tuple[str, ...]:
    """Special tokens that vLLM shows only because it shows all; one that stops must be seen."""
    if not request.skip_special_tokens or not request.kept_special_tokens:
        return ()
    skipped, wanted = tokenizer.codec.skipped_ids, {*request.kept_special_tokens, *request.stop}
    marks = tokenizer.special_tokens.items()
    return tuple(text for text, token in marks if text not in wanted and token in skipped)


def _finish_reason(message: Any) -> str | None:
    """`stop` or `length`; None while there is more to come, or where the release does not tell."""
    told = message.output("finish_reason")
    if told is None or not told.size:
        return None
    reason = told.reshape(-1)[0].decode(errors="replace")
    if reason in ("None", ""):
        return None
    if reason not in ("stop", "length"):
        raise broken_contract(f"finish_reason is {reason[:100]!r}")
    return str(reason)
