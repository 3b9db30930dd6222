"""The bars as they are judged from results."""

from __future__ import annotations

import pytest

from benchmarks.bars import BARS, Verdict, judge, read_explanations, token_costs
from benchmarks.plans import BARE, BASELINE, GATEWAY, GATEWAY_2, LITELLM
from benchmarks.results import Results
from tests.benchmarks.results_files import changed, recorded

SHAPE = ("shapes", "32 in, 512 out")
THOUSAND = ("workers", "1,000 paced", GATEWAY_2)


def verdict(results: Results, name: str) -> Verdict:
    (found,) = (each for each in judge(results) if each.bar.name == name)
    return found


def test_every_bar_is_measured_by_the_recorded_scenarios() -> None:
    """A bar that names a scenario, point or subject that does not exist would not be."""
    assert [each.bar.name for each in judge(recorded()) if each.is_met is None] == []


def test_names_of_bars_are_used_once() -> None:
    assert len({bar.name for bar in BARS}) == len(BARS)


def test_the_median_of_the_ratios_decides() -> None:
    bare = recorded().values(*SHAPE, BARE, "tokens_per_second")
    ours = [value * 0.81 for value in bare]
    found = verdict(changed(*SHAPE, GATEWAY, tokens_per_second=ours), "unpaced-against-bare")
    assert found.is_met is True
    assert found.spread is not None
    assert found.spread.median == pytest.approx(0.81)
    ours = [value * 0.79 for value in bare]
    found = verdict(changed(*SHAPE, GATEWAY, tokens_per_second=ours), "unpaced-against-bare")
    assert found.is_met is False


@pytest.mark.parametrize(
    ("bar", "place", "figure"),
    [
        ("cpu-against-litellm", ("hops", "16 unpaced streams"), "cpu_us_per_token"),
        ("cpu-against-litellm-paced", ("steady", "64"), "steady_cpu_us_per_token"),
    ],
)
def test_cpu_against_litellm_is_at_most_a_tenth(
    bar: str, place: tuple[str, str], figure: str
) -> None:
    theirs = recorded().values(*place, LITELLM, figure)
    for factor, is_met in ((0.09, True), (0.2, False)):
        ours = {figure: [value * factor for value in theirs]}
        assert verdict(changed(*place, GATEWAY, **ours), bar).is_met is is_met


def test_cpu_on_triton_is_that_of_tokens_alone() -> None:
    """Whatever the requests cost beside."""
    theirs = recorded().values("paced-real", "64", BASELINE, "steady_cpu_us_per_token")
    ours = [value * 0.5 for value in theirs]
    results = changed("paced-real", "64", GATEWAY, steady_cpu_us_per_token=ours)
    found = verdict(results, "cpu-on-triton")
    assert found.is_met is True
    assert found.spread is not None
    assert found.spread.median == pytest.approx(0.5)


def test_one_stream_of_one_run_that_fails_is_not_all_complete() -> None:
    results = changed(*THOUSAND, errors=[0.0, 1.0, 0.0])
    assert verdict(results, "thousand-complete").is_met is False
    assert verdict(changed(*THOUSAND, errors=[0.0]), "thousand-complete").is_met is True


def test_what_a_request_costs_before_its_first_token_is_no_growth() -> None:
    """One token costs 3,000 µs, every further one 20; each length is measured once."""
    results = recorded()
    for length in (1, 64, 256, 1024, 2048):
        cost = 3000.0 + 20.0 * (length - 1)
        results = _with(results, str(length), cost)
    assert token_costs(results, GATEWAY)["2048"] == [pytest.approx(20.0)]
    found = verdict(results, "output-growth")
    assert found.spread is not None
    assert found.spread.median == pytest.approx(1.0)


def _with(results: Results, length: str, cost: float) -> Results:
    scenarios = []
    for scenario in results.content["scenarios"]:
        cells = [
            {**cell, "runs": [{**cell["runs"][0], "cpu_us_per_request": cost}]}
            if (scenario["name"], cell["point"]) == ("output-length", length)
            else cell
            for cell in scenario["cells"]
        ]
        scenarios.append({**scenario, "cells": cells})
    return Results({**results.content, "scenarios": scenarios})


def test_what_was_not_measured_is_neither_met_nor_unmet() -> None:
    empty = Results({**recorded().content, "scenarios": []})
    assert {each.is_met for each in judge(empty)} == {None}


def test_explanations_are_for_bars_that_exist() -> None:
    assert set(read_explanations()) <= {bar.name for bar in BARS}


def test_an_explanation_reaches_its_bar() -> None:
    found = judge(recorded(), {"lag-p99": "because"})
    assert [each.explanation for each in found if each.bar.name == "lag-p99"] == ["because"]


def test_the_baseline_of_the_bars_is_there() -> None:
    assert recorded().cell(*SHAPE, BASELINE) is not None
