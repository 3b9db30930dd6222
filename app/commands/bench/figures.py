"""What many measured requests come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.commands.bench.requests import Measured

PERCENTILES = (50, 90, 99)
MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds: the mean, the percentiles and the longest."""

    mean: float
    percentiles: Mapping[int, float]
    longest: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Spread | None:
        """None of nothing."""
        ordered = sorted(each * MILLISECONDS for each in seconds)
        if not ordered:
            return None
        found = {percent: _percentile(ordered, percent) for percent in PERCENTILES}
        return cls(sum(ordered) / len(ordered), found, ordered[-1])

    def as_json(self) -> dict[str, float]:
        """In milliseconds, rounded."""
        named = {f"p{percent}": value for percent, value in self.percentiles.items()}
        found = {"mean": self.mean, **named, "max": self.longest}
        return {name: round(value, 3) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the requests that were answered; `errors` are the others by kind, with an example."""

    num_answered: int
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    spreads: Mapping[str, Spread]
    errors: Mapping[str, tuple[int, str]]

    @classmethod
    def of(cls, results: Sequence[Measured], seconds: float) -> Figures:
        """From everything that was measured in so many seconds."""
        answered = [each for each in results if not each.error]
        spreads = {
            "first_token": Spread.of(each.first for each in answered if each.first is not None),
            "between_tokens": Spread.of(
                mean for each in answered if (mean := each.seconds_per_token) is not None
            ),
            "between_events": Spread.of(gap for each in answered for gap in each.gaps),
            "whole_answer": Spread.of(each.seconds for each in answered),
        }
        return cls(
            len(answered),
            seconds,
            sum(each.prompt_tokens for each in answered),
            sum(each.completion_tokens for each in answered),
            {name: spread for name, spread in spreads.items() if spread is not None},
            _errors(results),
        )

    @property
    def num_failed(self) -> int:
        """How many were not answered."""
        return sum(count for count, _ in self.errors.values())

    def rate(self, count: int) -> float:
        """So many of something, in each second."""
        return count / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything; times are milliseconds, rates are per second."""
        return {
            "answered": self.num_answered,
            "failed": self.num_failed,
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(self.rate(self.num_answered), 3),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "prompt_tokens_per_second": round(self.rate(self.prompt_tokens), 1),
            "completion_tokens_per_second": round(self.rate(self.completion_tokens), 1),
            "milliseconds": {name: each.as_json() for name, each in self.spreads.items()},
            "errors": {kind: count for kind, (count, _) in self.errors.items()},
        }


def _errors(results: Sequence[Measured]) -> dict[str, tuple[int, str]]:
    examples: dict[str, str] = {}
    for each in results:
        if each.error:
            examples.setdefault(each.error, each.message)
    counts = Counter(each.error for each in results if each.error)
    return {kind: (count, examples[kind]) for kind, count in counts.most_common()}


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent of all do not exceed."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]
