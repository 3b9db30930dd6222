"""Backends in front of a scripted Triton, and what they are asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.backends.fastertransformer import FasterTransformer
from app.backends.generation import Continuation, GenerationJob
from app.cancellation import Cancellation
from app.chunks import Tokens
from app.registry import LanguageModelSpec, Timeouts
from app.registry.specs import GenerationFacts
from app.triton.model_replicas import language_replicas
from app.types import Generation, RequestContext, Sampling
from tests.scripted_triton import ScriptedTriton
from tests.tokenizers.cached import tokenizer

PROMPT = (1, 10, 11, 12)
END_ID = 2
VOCABULARY = 100
# Longer than a busy machine takes for an answer.
LIMITS = Timeouts(connect=60, first_token=60, between_tokens=60, total=120)


def backend(
    triton: ScriptedTriton,
    *,
    cancel: str | None = None,
    timeouts: Timeouts = LIMITS,
    parsers: Mapping[str, str] | None = None,
    **facts: Any,
) -> FasterTransformer:
    spec = LanguageModelSpec(
        name="chat",
        urls=(triton.address,),
        folder=Path(),
        triton_model="llm",
        triton_version="3",
        cancel=cancel,
        timeouts=timeouts,
        **(parsers or {}),
        facts=GenerationFacts(**{"start_id": 1, "end_id": END_ID, "max_len": 64, **facts}),
    )
    return FasterTransformer(spec, language_replicas(spec), tokenizer("byte_level_bpe"))


class EndCounter:
    """Counts how often `when_ended` was called."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self) -> None:
        self.num_calls += 1


class Paced:
    """A script that sends each message when what came of the one before has been taken.

    That is a part for each of `num_rows`, but of the last one.
    """

    def __init__(self, *messages: Any, num_rows: int = 1) -> None:
        self._messages = messages
        self._num_rows = num_rows
        self._may_send = threading.Semaphore()

    def __call__(self, *_: Any) -> Iterator[Any]:
        for each in self._messages:
            assert self._may_send.acquire(timeout=60)
            yield each

    def taken(self, parts: Iterable[Tokens]) -> list[Tokens]:
        """All that an answer has."""
        found = []
        for part in parts:
            found.append(part)
            if len(found) % self._num_rows == 0:
                self._may_send.release()
        return found


def job(
    *,
    prompt_ids: tuple[int, ...] = PROMPT,
    max_tokens: int = 8,
    prompts: Sequence[tuple[int, ...]] | None = None,
    seeds: Sequence[int] | None = None,
    fields: Mapping[str, Any] | None = None,
    patience: float = 60.0,
    cancellation: Cancellation | None = None,
    when_ended: Callable[[], None] = lambda: None,
    **sampling: Any,
) -> GenerationJob:
    """One continuation, or one of each of `prompts`; `fields` are those of `Generation`."""
    rows = prompts or [prompt_ids]
    own = seeds or [sampling.get("seed")] * len(rows)
    return GenerationJob(
        continuations=[
            Continuation(ids, max_tokens, index, own[index]) for index, ids in enumerate(rows)
        ],
        request=Generation(model="chat", sampling=Sampling(**sampling), **(fields or {})),
        vocabulary_size=VOCABULARY,
        context=RequestContext("request-7", cancellation or Cancellation()),
        patience=patience,
        when_ended=when_ended,
    )


def answer(served: FasterTransformer, asked: GenerationJob) -> tuple[list[int], Tokens]:
    """All ids of an answer, and its last tokens."""
    parts = list(served.generate(asked))
    return [token_id for part in parts for token_id in part.ids], parts[-1]
