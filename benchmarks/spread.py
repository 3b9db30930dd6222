"""Medians with their spread; a mean is never shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some runs, the lowest and the highest of them."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread | None:
    """None where nothing was measured."""
    found = sorted(values)
    return Spread(median(found), found[0], found[-1]) if found else None


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread | None:
    """Run by run, because runs of the same number were made one right after the other.

    A run that has no partner, or whose partner is 0, is left out.
    """
    return spread(a / b for a, b in zip(above, below, strict=False) if b)


def differences(these: Sequence[float], those: Sequence[float]) -> Spread | None:
    """Run by run, as `ratios`."""
    return spread(a - b for a, b in zip(these, those, strict=False))
