"""https://platform.openai.com/docs/api-reference/completions"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from app import offload
from app.errors import InvalidRequest
from app.services.answers import Choice, Envelope, Event, EventStream, fold
from app.services.catalogue import LanguageModel
from app.services.generation import (
    Chunks,
    Continuation,
    generate,
    plan,
)
from app.services.input_checks import check_length, check_vocabulary, count_characters, is_long
from app.types import Chunk, CompletionRequest, Prompt, RequestContext, Usage

DEFAULT_MAX_TOKENS = 16


class Completion:
    """One request to a model. Making it raises every error that needs no backend."""

    def __init__(self, model: LanguageModel, request: CompletionRequest) -> None:
        self._model = model
        self._request = request
        self._envelope = Envelope("cmpl", "text_completion", request.model)
        is_large = is_long(count_characters(request.prompts))
        self._continuations = offload.run_if(is_large, self._plan)
        self._prompt_tokens = sum(len(item.prompt_ids) for item in self._continuations)
        self._echoes = [self._echo(index) for index in range(len(request.prompts))]

    def whole(self, context: RequestContext, patience: float) -> Event:
        """The answer at once."""
        choices = fold(self._chunks(context, patience), len(self._continuations))
        usage = Usage(self._prompt_tokens, sum(choice.num_tokens for choice in choices))
        return {
            **self._envelope.wrap([self._choice(i, choice) for i, choice in enumerate(choices)]),
            "usage": usage.as_dict(),
        }

    def events(
        self, context: RequestContext, patience: float
    ) -> Generator[Event | None, None, None]:
        """The answer as stream events."""
        stream = EventStream(
            self._chunks(context, patience),
            self._envelope,
            self._request,
            self._prompt_tokens,
            len(self._continuations),
        )
        return stream.events([], self._stream_choices)

    def _plan(self) -> list[Continuation]:
        return [self._continuation(*item) for item in enumerate(self._request.prompts)]

    def _continuation(self, index: int, prompt: Prompt) -> Continuation:
        model, request = self._model, self._request
        param = "prompt" if len(request.prompts) == 1 else f"prompt[{index}]"
        ids = self._ids(prompt, param)
        default = model.spec.facts.max_tokens or DEFAULT_MAX_TOKENS
        max_tokens = plan(model, ids, request.max_tokens, default, param)
        if not isinstance(prompt, str):
            check_vocabulary(ids, model.tokenizer.vocabulary_size, param)
        return Continuation(ids, max_tokens, index)

    def _ids(self, prompt: Prompt, param: str) -> list[int]:
        if not isinstance(prompt, str):
            return list(prompt)
        check_length(len(prompt), self._model.spec.max_model_len, param)
        ids = self._model.tokenizer.encode(prompt) or self._begin()
        if not ids:
            raise InvalidRequest(f"{param} must not be empty for this model", param=param)
        return ids

    def _begin(self) -> list[int]:
        bos = self._model.tokenizer.bos_id
        return [] if bos is None else [bos]

    def _echo(self, index: int) -> str:
        if not self._request.echo:
            return ""
        prompt = self._request.prompts[index]
        return prompt if isinstance(prompt, str) else self._model.tokenizer.decode(prompt)

    def _chunks(self, context: RequestContext, patience: float) -> Chunks:
        if self._request.max_tokens == 0:
            return (Chunk("", 0, item.index, "length") for item in self._continuations)
        self._model.backend.check_sampling(self._request.sampling)
        return generate(self._model, self._continuations, self._request, context, patience)

    def _choice(self, index: int, choice: Choice) -> Event:
        return _choice(
            index, self._echoes[index] + choice.text, choice.finish_reason, choice.stop_reason
        )

    def _stream_choices(self, chunk: Chunk) -> list[Event]:
        echo, self._echoes[chunk.index] = self._echoes[chunk.index], ""
        return [_choice(chunk.index, echo + chunk.text, chunk.finish_reason, chunk.stop_reason)]


def _choice(index: int, text: str, finish_reason: str | None, stop_reason: Any) -> Event:
    return {
        "index": index,
        "text": text,
        "logprobs": None,
        "finish_reason": finish_reason,
        "stop_reason": stop_reason,
    }
