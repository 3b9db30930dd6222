"""https://platform.openai.com/docs/api-reference/completions"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from app import offload
from app.backends.generation import Continuation
from app.backends.prompt_scoring import cannot_score
from app.chunks import Chunk, TextLogprob, Usage
from app.errors import UnsupportedParameter
from app.observability import tracing
from app.services.answers import Choice, Envelope, Event, EventStream, fold
from app.services.catalogue import LanguageModel
from app.services.completion_prompts import PlannedPrompt, plan_prompts
from app.services.generation import Chunks, choices_of, generate
from app.services.input_checks import count_characters, is_long
from app.services.logprobs import completion_logprobs, moved, prompt_logprobs
from app.types import CompletionRequest, RequestContext


class Completion:
    """One request to a model. Making it raises every error that needs no backend."""

    def __init__(self, model: LanguageModel, request: CompletionRequest) -> None:
        self._model = model
        self._request = request
        self._envelope = Envelope("cmpl", "text_completion", request.model)
        self._num_candidates = max(request.n, request.best_of)
        self._wants_logprobs = request.sampling.logprobs is not None
        is_large = is_long(count_characters([request.prompts, request.suffix or ""]))
        with tracing.step("tokenize"):
            self._prompts = offload.run_if(is_large, plan_prompts, model, request)
        self._continuations = list(self._choices())
        self._prompt_tokens = sum(len(prompt.ids) for prompt in self._prompts)
        self._is_begun = [False] * len(self._continuations)

    def whole(self, context: RequestContext, patience: float) -> Event:
        """The answer at once."""
        candidates = fold(self._chunks(context, patience), len(self._continuations))
        usage = Usage(self._prompt_tokens, sum(choice.num_tokens for choice in candidates))
        chosen = self._best(candidates)
        return {
            **self._envelope.wrap(
                [self._choice(place, *found) for place, found in enumerate(chosen)]
            ),
            "usage": usage.as_dict(),
        }

    def events(
        self, context: RequestContext, patience: float
    ) -> Generator[Event | bytes | None, None, None]:
        """The answer as stream events."""
        stream = EventStream(
            self._chunks(context, patience),
            self._envelope,
            self._request,
            self._prompt_tokens,
            len(self._continuations),
        )
        return stream.events([], self._stream_choice)

    def _choices(self) -> Iterator[Continuation]:
        count = self._num_candidates
        for place, prompt in enumerate(self._prompts):
            yield from choices_of(
                prompt.ids, prompt.max_tokens, self._request, count, place * count
            )

    def _prompt(self, index: int) -> PlannedPrompt:
        """That of a choice."""
        return self._prompts[index // self._num_candidates]

    def _chunks(self, context: RequestContext, patience: float) -> Chunks:
        request = self._request
        if request.echo and self._wants_logprobs:
            request = replace(request, scores_prompt=self._scores_prompt())
        elif request.max_tokens == 0:
            return (Chunk("", 0, item.index, "length") for item in self._continuations)
        if self._num_candidates > request.n and not self._wants_logprobs:
            self._check_ranking()
            # The best are those whose tokens are the likeliest.
            request = replace(request, sampling=replace(request.sampling, logprobs=0))
        return generate(self._model, self._continuations, request, context, patience)

    def _scores_prompt(self) -> bool:
        """Whether the model can; one that cannot may still answer, if it is asked to."""
        can_score = self._model.backend.capabilities().scores_prompts
        if self._request.max_tokens == 0 and not can_score:
            raise cannot_score()
        return can_score and self._request.suffix is None

    def _check_ranking(self) -> None:
        if "logprobs" not in self._model.backend.capabilities().fields:
            raise UnsupportedParameter(
                "best_of is not supported by this model: it tells no log-probabilities, by which"
                " the best are found",
                param="best_of",
            )

    def _best(self, candidates: Sequence[Choice]) -> list[tuple[int, Choice]]:
        """The `n` likeliest of each prompt's candidates, each with its place among all."""
        count, found = self._num_candidates, list(enumerate(candidates))
        if count == self._request.n:
            return found
        chosen = []
        for at in range(0, len(found), count):
            ranked = sorted(found[at : at + count], key=lambda item: -item[1].cumulative_logprob)
            chosen += ranked[: self._request.n]
        return chosen

    def _choice(self, place: int, index: int, choice: Choice) -> Event:
        logprobs = self._logprobs(index, choice, is_first=True)
        return {
            "index": place,
            "text": self._prompt(index).echo + choice.text,
            "logprobs": completion_logprobs(logprobs) if self._wants_logprobs else None,
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }

    def _stream_choice(self, chunk: Chunk) -> Event:
        is_first = not self._is_begun[chunk.index]
        self._is_begun[chunk.index] = True
        echo = self._prompt(chunk.index).echo if is_first else ""
        logprobs = self._logprobs(chunk.index, chunk, is_first=is_first)
        return {
            "index": chunk.index,
            "text": echo + chunk.text,
            "logprobs": completion_logprobs(logprobs) if logprobs else None,
            "finish_reason": chunk.finish_reason,
            "stop_reason": chunk.stop_reason,
        }

    def _logprobs(
        self, index: int, part: Choice | Chunk, *, is_first: bool
    ) -> Sequence[TextLogprob]:
        """Those of the echoed prompt come first, with nulls where it was not scored."""
        prompt = self._prompt(index)
        generated = moved(part.logprobs, len(prompt.echo))
        if not is_first or not prompt.logprobs:
            return generated
        if not part.prompt_logprobs:
            return [*prompt.logprobs, *generated]
        scored = prompt_logprobs(
            self._model.tokenizer, prompt.ids, prompt.echo, part.prompt_logprobs
        )
        return [*scored, *generated]
