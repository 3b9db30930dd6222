"""`--whole`: what is long is left out without it, and nothing counts as skipped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.plugin import _counted, pytest_collection_modifyitems
from tests.faults.record import Case


def item(name: str, *marks: str) -> Any:
    return SimpleNamespace(name=name, get_closest_marker=lambda mark: mark in marks or None)


def run_and_left_out(*, whole: bool) -> tuple[list[str], list[str]]:
    left_out: list[Any] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items))
    config: Any = SimpleNamespace(getoption={"whole": whole}.get, hook=hook)
    items = [item("short"), item("long", "whole"), item("other", "timeout")]
    pytest_collection_modifyitems(config, items)
    return [each.name for each in items], [each.name for each in left_out]


def test_long_tests_are_left_out() -> None:
    assert run_and_left_out(whole=False) == (["short", "other"], ["long"])


def test_whole_has_them() -> None:
    assert run_and_left_out(whole=True) == (["short", "long", "other"], [])


def test_the_record_has_what_the_mark_says() -> None:
    assert Case(*pytest.mark.case("A99", "a mark").args) == Case("A99", "a mark")


def test_tests_without_figures_are_counted() -> None:
    reports: Any = [SimpleNamespace(failed=False, longrepr=None)] * 2
    failed: Any = SimpleNamespace(failed=True, longrepr="it is broken")
    assert _counted(("D4", "all"), reports).outcome == "passed"
    case = _counted(("D4", "one"), [*reports, failed])
    assert (case.times, case.figures[0].measured, case.outcome) == (3, "2", "failed: it is broken")
