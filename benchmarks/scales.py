"""Axes: where a value is drawn, and which values are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` onto pixels from `start` to `end`, in equal steps or powers."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value, rounded for the page's sake."""
        low, high, here = (self._position(each) for each in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def _position(self, value: float) -> float:
        return math.log(max(value, 1e-9)) if self.is_log else value


def from_zero(values: Sequence[float], start: float, end: float) -> Scale:
    """Equal steps from 0 to a round number above every value."""
    highest = max(values, default=0.0) or 1.0
    step = step_of(highest)
    return Scale(0.0, math.ceil(highest / step) * step, start, end)


def step_of(highest: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that makes four to eight steps up to `highest`."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return next(power * times for times in (1, 2, 5, 10) if power * times * 8 >= highest)


def ticks(scale: Scale) -> list[float]:
    """The values that a scale of equal steps names."""
    step = step_of(scale.high)
    return [step * number for number in range(round(scale.high / step) + 1)]


def short(value: float) -> str:
    """A number as a person reads it: three digits, thousands with commas."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 3)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
