"""What the services expect of a language model's backend, whatever its contract."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.types import RequestContext, Sampling, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationJob:
    """One prompt to continue. `when_ended` is called once the backend has done with it."""

    prompt_ids: Sequence[int]
    max_tokens: int
    sampling: Sampling
    vocabulary_size: int
    context: RequestContext
    patience: float
    when_ended: Callable[[], None]


class GenerationBackend(Protocol):
    """Continues prompts."""

    def check_sampling(self, sampling: Sampling) -> None:
        """Raises UnsupportedParameter for a field that the model does not take."""

    def generate(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """Token ids as they come; the last has a `finish_reason`.

        Yields empty tokens after each `job.patience` seconds of silence. Closing it early ends
        the backend's work in the way that the model allows.
        """

    def check_contract(self) -> None:
        """Raises BackendError, with a detail for the operator, for a model that cannot serve."""

    def is_ready(self) -> bool:
        """Whether Triton says that the model is ready. Raises ApiError when it cannot be asked."""
