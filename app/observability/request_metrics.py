"""What requests of models came to: tokens, the times between them, phases, how answers ended.

Requests that run are looked at regularly, so that the tokens of a long answer count while it is
being made, and not all at its end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import add, sub
from weakref import WeakKeyDictionary

from app.observability.instruments import UNKNOWN, add_counted, child, counter, histogram
from app.tally import GAP_SECONDS, Counting, Tally

CLIENT_GONE = 499
FIRST_TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
PHASE_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
    *(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
ANSWER_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
TOKENS = (1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)
NUM_EDGES = len(GAP_SECONDS) + 1
PREPARE, FIRST_TOKEN, DECODE = "prepare", "first_token", "decode"
# Of a choice that its model did not end.
ABORT, ERROR = "abort", "error"
FINISH_REASONS = ("stop", "length", ABORT, ERROR)

_prompt_tokens = counter("prompt_tokens_total", "Prompt tokens", "model")
_completion_tokens = counter("completion_tokens_total", "Generated tokens", "model")
_first_token = histogram(
    "time_to_first_token_seconds", "From request to first token", FIRST_TOKEN_SECONDS, "model"
)
_gaps = histogram(
    "time_between_tokens_seconds", "From a token to the next of its choice", GAP_SECONDS, "model"
)
_phases = histogram("phase_seconds", "Parts of a request's time", PHASE_SECONDS, "model", "phase")
_answers = histogram(
    "answer_seconds", "From request to last byte of what was answered", ANSWER_SECONDS, "model"
)
_request_prompt = histogram("request_prompt_tokens", "Prompt tokens of a request", TOKENS, "model")
_request_completion = histogram(
    "request_completion_tokens", "Generated tokens of a request", TOKENS, "model"
)
_finished = counter("choices_finished_total", "Ended choices", "model", "finish_reason")
_cancelled = counter("cancelled_total", "Requests whose client went away", "model")


@dataclass(slots=True)
class _Sums:
    """Tokens, the times between them by GAP_SECONDS, and the sum of these times."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    num_gaps: list[int] = field(default_factory=lambda: [0] * NUM_EDGES)
    seconds: float = 0.0

    @classmethod
    def of(cls, tally: Tally) -> _Sums:
        """All that a request has used so far."""
        sums = cls(tally.prompt_tokens)
        # A copy: in hosts with threads choices may begin meanwhile.
        for choice in tuple(tally.choices):
            times = choice.times
            sums.completion_tokens += choice.num_tokens
            sums.num_gaps = list(map(add, sums.num_gaps, times.num_gaps))
            sums.seconds += times.last_at - times.first_at
        return sums

    def plus(self, other: _Sums, sign: int = 1) -> _Sums:
        """The sum with another, or with `sign` -1 the difference."""
        return _Sums(
            self.prompt_tokens + sign * other.prompt_tokens,
            self.completion_tokens + sign * other.completion_tokens,
            list(map(add if sign > 0 else sub, self.num_gaps, other.num_gaps)),
            self.seconds + sign * other.seconds,
        )


class _Running:
    """A request, and how much of it was counted."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._counted = _Sums()

    def new(self, tally: Tally) -> _Sums | None:
        """What has come since the last time, None for nothing."""
        before, tokens = self._counted, tally.completion_tokens
        if (tally.prompt_tokens, tokens) == (before.prompt_tokens, before.completion_tokens):
            return None
        self._counted = _Sums.of(tally)
        return self._counted.plus(before, -1)


# Weak, so that a response that is dropped without being closed is not looked at for ever.
_running: WeakKeyDictionary[Tally, _Running] = WeakKeyDictionary()
_lock = threading.Lock()


def begin_models(names: Iterable[str]) -> None:
    """Counters begin at 0, so that their first step is seen."""
    for name in names:
        for each in (_prompt_tokens, _completion_tokens, _cancelled):
            child(each, name)
        for reason in FINISH_REASONS:
            child(_finished, name, reason)


def begin(model: str, tally: Tally) -> None:
    """A request of a configured model has its place; `settle` is to follow."""
    with _lock:
        _running.setdefault(tally, _Running(model))


def count_running() -> None:
    """Count what requests have used since they were last looked at.

    It takes some 3 µs for each that has new tokens.
    """
    sums: dict[str, _Sums] = {}
    with _lock:
        for tally, running in list(_running.items()):
            new = running.new(tally)
            if new is not None:
                sums[running.model] = sums.get(running.model, _Sums()).plus(new)
    for model, found in sums.items():
        _count(model, found)


def settle(tally: Tally, started: float, ended: float, status: int) -> None:
    """Count a request that has ended, in seconds of the monotonic clock; if it had a place."""
    with _lock:
        running = _running.pop(tally, None)
        new = None if running is None else running.new(tally)
    if running is None:
        return
    if new is not None:
        _count(running.model, new)
    _count_times(running.model, tally, started)
    for choice in tally.choices:
        child(_finished, running.model, _ending(choice, status)).inc()
    if status < 400:
        child(_answers, running.model).observe(ended - started)
        child(_request_prompt, running.model).observe(tally.prompt_tokens)
        if tally.choices:
            child(_request_completion, running.model).observe(tally.completion_tokens)


def request_cancelled(model: str) -> None:
    """The client of a request went away."""
    child(_cancelled, model).inc()


def _count(model: str, sums: _Sums) -> None:
    child(_prompt_tokens, model).inc(sums.prompt_tokens)
    if sums.completion_tokens:
        child(_completion_tokens, model).inc(sums.completion_tokens)
    if any(sums.num_gaps):
        add_counted(child(_gaps, model), sums.num_gaps, sums.seconds)


def _count_times(model: str, tally: Tally, started: float) -> None:
    first, last = tally.first_token_at, tally.last_token_at
    if tally.asked_at is not None:
        child(_phases, model, PREPARE).observe(tally.asked_at - started)
    if first is None or last is None:
        return
    child(_first_token, model).observe(first - started)
    child(_phases, model, DECODE).observe(last - first)
    if tally.placed_at is not None:
        child(_phases, model, FIRST_TOKEN).observe(first - tally.placed_at)


def _ending(choice: Counting, status: int) -> str:
    if choice.finish_reason is not None:
        return choice.finish_reason if choice.finish_reason in FINISH_REASONS else UNKNOWN
    if status < 400:
        # What came after the answer's end was not waited for.
        return "stop"
    return ABORT if status == CLIENT_GONE else ERROR
