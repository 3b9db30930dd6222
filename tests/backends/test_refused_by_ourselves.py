"""What is refused before a Triton has it says nothing of that Triton."""

from __future__ import annotations

import pytest

from app.errors import UnsupportedParameter
from app.triton.errors import not_ready
from app.triton.replicas.breaker import Breaker
from tests.backends.jobs import answer, backend, job
from tests.scripted_triton import ScriptedTriton


def half_open(breaker: Breaker) -> None:
    """Left alone after a failure, for so long that it may be tried again."""
    entry = breaker.begin()
    breaker.failed(entry, not_ready("llm"), is_definite=True)
    breaker._retry_at = 0.0


def test_what_no_tensor_can_say_is_no_trial(triton: ScriptedTriton) -> None:
    served = backend(triton)
    answer(served, job())
    breaker = served.replicas._current()[0].breaker
    half_open(breaker)
    with pytest.raises(UnsupportedParameter):
        answer(served, job(presence_penalty=0.5, repetition_penalty=1.5))
    assert len(triton.requests) == 1
    assert breaker.error is not None
    # Nobody has to wait until the trial of another is over.
    assert breaker.allows()
    answer(served, job())
    assert breaker.error is None
