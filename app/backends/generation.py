"""What the services expect of a language model's backend, whatever its contract."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.chunks import Tokens
from app.triton.replicas import Replicas
from app.types import Generation, RequestContext


@dataclass(frozen=True, slots=True)
class Continuation:
    """One choice to generate: its prompt, at most how many tokens, and its own seed."""

    prompt_ids: Sequence[int]
    max_tokens: int
    index: int = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationJob:
    """Continuations for one call to the backend, as many as it takes at once.

    With a beam width they are the best beams of one prompt. `when_ended` is called once the
    backend has done with all of them; silence of `patience` seconds is told.
    """

    continuations: Sequence[Continuation]
    request: Generation
    vocabulary_size: int
    context: RequestContext
    patience: float
    when_ended: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model takes.

    `fields` are those of `Sampling` that it honours; `reasons` may say of others why not.
    `max_top_logprobs` counts alternatives beside the chosen token. `structures` are kinds of
    structured output. `batch_size` is how many continuations belong into one job; 1 where calls
    side by side are as fast. A model that `takes_text` tokenises by itself; its `fields` also name
    skip_special_tokens and stop_token_ids where it takes them. One that `scores_prompts` can tell
    the logprobs of a prompt's tokens.
    """

    fields: frozenset[str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    max_top_logprobs: int = 0
    has_bans_only: bool = False
    structures: frozenset[str] = frozenset()
    batch_size: int = 1
    takes_text: bool = False
    scores_prompts: bool = False


class GenerationBackend(Protocol):
    """Continues prompts."""

    def capabilities(self) -> Capabilities:
        """What the model takes, by its contract in Triton. Raises ApiError if that is unknown."""

    def generate(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """The tokens of all continuations as they come; each one's last has a `finish_reason`.

        Yields empty tokens after each `job.patience` seconds of silence. Closing it early ends
        the backend's work in the way that the model allows.

        Raises:
            UnsupportedParameter: the job holds what the model does not take.
            ApiError: what Triton's answer or silence means.
        """

    def check_contract(self) -> None:
        """Raises BackendError, with a detail for the operator, for a model that cannot serve."""

    @property
    def replicas(self) -> Replicas[Any]:
        """The Tritons that serve it."""
