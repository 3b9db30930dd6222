"""From prompt ids to chunks of text: the one pipeline behind streamed and whole answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from app.backends.generation import GenerationJob
from app.errors import ClientDisconnected, ContextLengthExceeded
from app.prompting.detokenizer import IncrementalDetokenizer
from app.prompting.stop_sequences import StopStrings
from app.services.admission import Place
from app.services.catalogue import LanguageModel
from app.services.interleave import interleave
from app.types import Chunk, Generation, RequestContext, Tokens

log = logging.getLogger(__name__)

Chunks = Generator[Chunk, None, None]


@dataclass(frozen=True, slots=True)
class Continuation:
    """One choice to generate: its prompt, and at most how many tokens."""

    prompt_ids: Sequence[int]
    max_tokens: int
    index: int = 0


def plan(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    wanted: int | None,
    default: int | None,
    param: str,
) -> int:
    """How many tokens to generate: what was asked for, else the default, within the context.

    `default` None means all that is left.

    Raises:
        ContextLengthExceeded: the prompt, or the prompt and `wanted`, are longer.
    """
    longest = model.spec.facts.max_len
    left = longest - len(prompt_ids)
    if left < (1 if wanted is None else wanted):
        asked = f" and {wanted} tokens were asked for" if wanted is not None else ""
        raise ContextLengthExceeded(
            f"{param} has {len(prompt_ids)} tokens{asked}; the model's context is {longest} tokens",
            param=param,
        )
    if wanted is not None:
        return wanted
    return left if default is None else min(default, left)


def generate(
    model: LanguageModel,
    continuations: Sequence[Continuation],
    request: Generation,
    context: RequestContext,
    patience: float,
) -> Chunks:
    """The chunks of all choices, in the order in which they come.

    Each choice ends with a chunk that has a `finish_reason`. Silence of `patience` seconds
    gives chunks that say so.
    """

    def chunks(item: Continuation, place: Place) -> Chunks:
        return _chunks(model, item, request, context, patience, place)

    cancellation, admission = context.cancellation, model.admission
    place = admission.enter(cancellation)
    first, *others = continuations
    if not others:
        yield from chunks(first, place)
        return

    def later(item: Continuation) -> Chunks:
        yield from chunks(item, admission.enter_again(cancellation))

    yield from interleave([chunks(first, place), *map(later, others)], cancellation)


def _chunks(
    model: LanguageModel,
    continuation: Continuation,
    request: Generation,
    context: RequestContext,
    patience: float,
    place: Place,
) -> Chunks:
    with ExitStack() as unless_sent:
        unless_sent.callback(place.release)
        if context.cancellation.is_cancelled:
            raise ClientDisconnected("the client went away")
        job = GenerationJob(
            prompt_ids=continuation.prompt_ids,
            max_tokens=continuation.max_tokens,
            sampling=request.sampling,
            vocabulary_size=model.tokenizer.vocabulary_size,
            context=context,
            patience=patience,
            when_ended=place.release,
        )
        text = ChoiceText(model, continuation, request.stop)
        unless_sent.pop_all()
    last = time.monotonic()
    with closing(model.backend.generate(job)) as backend, _logged(text, job, request.model):
        for tokens in backend:
            chunk = text.chunk(tokens)
            if chunk is None:
                # Tokens whose text is held back are silence to whoever waits for it.
                if time.monotonic() - last < patience:
                    continue
                chunk = text.silence()
            last = time.monotonic()
            yield chunk
            if chunk.finish_reason is not None:
                return


@contextmanager
def _logged(text: ChoiceText, job: GenerationJob, model: str) -> Iterator[None]:
    """Say how a choice ended, which for a stream is after its log line as a request."""
    try:
        yield
    finally:
        log.info(
            "%s: %s: %d prompt tokens, %d new, %s",
            job.context.request_id,
            model,
            len(job.prompt_ids),
            text.num_tokens,
            text.finish_reason or "not finished",
        )


class ChoiceText:
    """The text of one choice as its tokens come: whole characters, without stop strings."""

    def __init__(self, model: LanguageModel, item: Continuation, stops: Sequence[str]) -> None:
        self._detokenizer = IncrementalDetokenizer(model.tokenizer, item.prompt_ids)
        self._stops = StopStrings(stops) if stops else None
        self._index = item.index
        self.num_tokens = 0
        self.finish_reason: str | None = None

    def chunk(self, tokens: Tokens) -> Chunk | None:
        """What is certain now, None where that is nothing yet."""
        text = self._push(tokens.ids)
        if tokens.finish_reason is not None and not self._has_matched:
            text += self._rest()
        if self._has_matched:
            assert self._stops is not None
            return self._made(text, "stop", self._stops.matched)
        if tokens.finish_reason is None and tokens.ids and not text:
            return None
        return self._made(text, tokens.finish_reason, tokens.stop_reason)

    def silence(self) -> Chunk:
        """The sign that nothing is certain yet."""
        return self._made("", None, None)

    @property
    def _has_matched(self) -> bool:
        return self._stops is not None and self._stops.matched is not None

    def _push(self, ids: Sequence[int]) -> str:
        if self._stops is None:
            self.num_tokens += len(ids)
            return self._detokenizer.push(ids)
        text = ""
        # One by one, so that the count ends with the token that completes a stop string.
        for token_id in ids:
            self.num_tokens += 1
            text += self._stops.push(self._detokenizer.push([token_id]))
            if self._has_matched:
                break
        return text

    def _rest(self) -> str:
        rest = self._detokenizer.flush()
        if self._stops is None:
            return rest
        return self._stops.push(rest) + self._stops.flush()

    def _made(self, text: str, finish_reason: str | None, stop_reason: int | str | None) -> Chunk:
        self.finish_reason = finish_reason
        return Chunk(text, self.num_tokens, self._index, finish_reason, stop_reason)
