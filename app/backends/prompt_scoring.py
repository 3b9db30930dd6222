"""Whether a model's engine scores prompts, which in the end only its answers tell."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace

from app.backends.generation import GenerationJob
from app.backends.prompt_scores import check_size, longest_scored
from app.errors import BackendError, UnsupportedParameter
from app.triton.contract import ModelContract

# An engine that was built without gather_context_logits says so.
REFUSED = re.compile(r"context.?logits", re.I)


class PromptScoring:
    """What is known of one model. It is forgotten with the model's contract."""

    def __init__(self) -> None:
        self._unable: ModelContract | None = None

    def is_possible(self, contract: ModelContract) -> bool:
        """Whether the model declares the tensors, and its engine has not turned out to lack them.

        Every reading of the contract makes another object.
        """
        return (
            self._unable is not contract
            and "return_context_logits" in contract.inputs
            and "context_logits" in contract.outputs
        )

    def failed(self, job: GenerationJob, contract: ModelContract) -> GenerationJob:
        """Remember that the engine has no scores; gives the job that does without them.

        Raises:
            UnsupportedParameter: scores are all that the job asks for.
        """
        self._unable = contract
        if asks_only_for_scores(job):
            raise cannot_score()
        return _without_scores(job)

    def planned(self, job: GenerationJob, contract: ModelContract) -> GenerationJob:
        """The job, without scores where there can be none and it asks for more than them.

        Raises:
            InvalidRequest: scores are all that it asks for.
        """
        if not job.request.scores_prompt:
            return job
        if not self.is_possible(contract):
            return self.failed(job, contract)
        size = len(job.continuations[0].prompt_ids)
        if asks_only_for_scores(job):
            check_size(size, job.vocabulary_size, job.request.prompt_param)
        return job if size <= longest_scored(job.vocabulary_size) else _without_scores(job)


def asks_only_for_scores(job: GenerationJob) -> bool:
    """Whether no token is to be generated."""
    return job.continuations[0].max_tokens == 0


def is_refusal(error: BackendError) -> bool:
    """Whether the engine says that it has no scores."""
    return REFUSED.search(error.detail or "") is not None


def _without_scores(job: GenerationJob) -> GenerationJob:
    return replace(job, request=replace(job.request, scores_prompt=False))


class LateEnd:
    """The end of a call to Triton, told only when it is known that no other follows it."""

    def __init__(self, when_ended: Callable[[], None]) -> None:
        self._when_ended = when_ended
        self._lock = threading.Lock()
        self._num_missing = 2

    def __call__(self) -> None:
        """The call has ended, or no other follows it: the second of the two is told."""
        with self._lock:
            self._num_missing -= 1
            is_complete = not self._num_missing
        if is_complete:
            self._when_ended()


def cannot_score() -> UnsupportedParameter:
    """The error of a request for nothing but scores to a model that has none."""
    return UnsupportedParameter(
        "logprobs: this model cannot score a prompt; leave it out, or let max_tokens be 1 or more",
        param="logprobs",
    )
