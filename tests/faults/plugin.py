"""`--whole` runs the long cases, too; `--faults-report FILE` keeps what the cases measured.

Marks: `whole` is left out without `--whole`; `case("A1", "title")` names the case of a test. A test
with that mark and the fixture `case` records figures; of the others with it, how many passed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.record import Case, save

CASES = pytest.StashKey[list[Case]]()
COUNTED = pytest.StashKey[dict[tuple[str, str], list[pytest.TestReport]]]()
CURRENT = pytest.StashKey[Case]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    parser.addoption("--whole", action="store_true", help="also run the long tests of faults")
    parser.addoption("--faults-report", type=Path, metavar="FILE", help="keep the cases' figures")


def pytest_configure(config: pytest.Config) -> None:
    """The marks."""
    config.addinivalue_line("markers", "whole: runs with --whole only")
    config.addinivalue_line("markers", "case(id, title): the case of the plan that this test is")
    config.stash[CASES] = []
    config.stash[COUNTED] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out; they are not skipped, because nothing is missing."""
    if config.getoption("whole"):
        return
    long = [item for item in items if item.get_closest_marker("whole")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("whole")]


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """The record of the test that asks for it, which has the mark `case`."""
    mark = request.node.get_closest_marker("case")
    case = Case(*mark.args, is_whole=request.config.getoption("whole"))
    request.node.stash[CURRENT] = case
    request.config.stash[CASES].append(case)
    return case


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Note in the record how the test ended."""
    report = yield
    if CURRENT in item.stash and report.failed:
        item.stash[CURRENT].outcome = f"failed: {_reason(report)}"
    mark = item.get_closest_marker("case")
    is_counted = mark is not None and CURRENT not in item.stash
    if is_counted and (report.when == "call" or report.failed):
        item.config.stash[COUNTED].setdefault(mark.args, []).append(report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file."""
    path = session.config.getoption("faults_report")
    counted = itertools.starmap(_counted, session.config.stash[COUNTED].items())
    cases = [*session.config.stash[CASES], *counted]
    if path is not None and cases:
        save(cases, path)


def _counted(args: tuple[str, str], reports: Sequence[pytest.TestReport]) -> Case:
    """The record of tests that measure nothing but that they pass."""
    case, failed = Case(*args), [report for report in reports if report.failed]
    case.injects("a test for each", len(reports))
    passed = len(reports) - len(failed)
    case.observes("tests that passed", not failed, passed, str(len(reports)))
    if failed:
        case.outcome = f"failed: {_reason(failed[0])}"
    return case


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return text.splitlines()[0][:200] if text else "no reason"
