"""Medians, ranges and ratios of runs."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lag import summary
from benchmarks.spread import Spread, differences, ratios, spread

VALUES = st.lists(st.floats(min_value=0.001, max_value=1e9), min_size=1, max_size=9)


@given(VALUES)
def test_a_spread_is_the_median_between_the_lowest_and_the_highest(values: list[float]) -> None:
    found = spread(values)
    assert found == Spread(median(values), min(values), max(values))


def test_nothing_measured_is_no_spread() -> None:
    assert spread([]) is None
    assert ratios([1.0], []) is None
    assert differences([], [1.0]) is None


def test_ratios_are_taken_run_by_run() -> None:
    """The machine was half as fast in the second run, for both."""
    assert ratios([80.0, 40.0, 90.0], [100.0, 50.0, 100.0]) == Spread(0.8, 0.8, 0.9)


def test_a_run_without_partner_is_left_out() -> None:
    assert ratios([1.0, 2.0, 3.0], [1.0, 0.0]) == Spread(1.0, 1.0, 1.0)
    assert differences([5.0, 9.0], [4.0]) == Spread(1.0, 1.0, 1.0)


@given(VALUES, st.floats(min_value=0.1, max_value=10))
def test_a_ratio_does_not_depend_on_the_unit(values: list[float], factor: float) -> None:
    found = ratios([value * factor for value in values], values)
    assert found is not None
    assert found.low == pytest.approx(factor)
    assert found.high == pytest.approx(factor)


def test_percentiles_are_the_nearest_rank() -> None:
    assert summary([float(value) for value in range(1, 201)]) == {
        "p50": 100.0,
        "p95": 190.0,
        "p99": 198.0,
        "max": 200.0,
    }
    assert summary([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0, "max": 7.0}
