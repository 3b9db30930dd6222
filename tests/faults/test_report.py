"""What the cases measure is kept, and becomes the table of docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.record import Case, load, save
from tests.faults.report import PAGE, main, renewed, row, table, verdict
from tests.live.waiting import LATE


def measured(number: int, title: str = "a title") -> Case:
    case = Case(f"A{number}", title)
    case.injects("a fault", times=3)
    case.exactly("lost | found", 0, 0)
    return case


def test_cases_are_kept_in_their_order_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    save([measured(10), measured(2), measured(2, "another")], path)
    again = measured(10)
    again.outcome = "failed: for a reason"
    save([again], path)
    found = load(path)
    assert [each.id for each in found] == ["A2", "A2", "A10"]
    assert found[2] == again


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_text('{"format": 99, "cases": []}')
    with pytest.raises(ValueError, match="format"):
        load(path)


def test_a_bar_of_counts_fails_the_test_and_is_told() -> None:
    case = measured(1)
    with pytest.raises(AssertionError, match="silent: 1, not 0"):
        case.exactly("silent", 1, 0)
    assert verdict(case) == "**all but 1**"
    assert "**silent: 1 (0)**" in row(case)[2]


@pytest.mark.parametrize(("is_whole", "most"), [(True, 2.0), (False, 2.0 + LATE)])
def test_a_time_fails_beyond_the_slack_only(is_whole: bool, most: float) -> None:
    case = measured(1)
    case.is_whole = is_whole
    case.at_most("frame", most - 0.1, 1.0, slack=2)
    assert verdict(case) == "**all but 1**"
    with pytest.raises(AssertionError):
        case.at_most("frame", most + 0.1, 1.0, slack=2)


def test_the_short_form_may_be_late_but_not_larger() -> None:
    with pytest.raises(AssertionError):
        measured(1).at_most("size", 2.1, 1.0, "MiB", slack=2)


def test_ratios_of_times_are_for_a_quiet_machine() -> None:
    case = measured(1)
    case.holds_if_whole("share", False, 0.8, "≥ 0.9")
    assert verdict(case) == "**all but 1**"
    case.is_whole = True
    with pytest.raises(AssertionError):
        case.holds_if_whole("share", False, 0.8, "≥ 0.9")


def test_what_cannot_be_had_is_told() -> None:
    case = measured(1)
    case.observes("wrong texts", False, 2, "0")
    assert verdict(case) == "**all but 1**"


def test_a_case_that_did_not_run_says_why() -> None:
    case = measured(5)
    case.cannot_run("no root")
    assert row(case)[2:] == ["not run: no root", "not run"]


def test_the_table_has_a_line_for_each_case_and_as_many_cells() -> None:
    lines = table([measured(1), measured(2)]).splitlines()
    assert len(lines) == 4
    assert {line.replace("\\|", "").count("|") for line in lines} == {5}
    assert "a fault (3 times)" in lines[2]


def test_only_the_section_changes(tmp_path: Path) -> None:
    page, path = tmp_path / "page.md", tmp_path / "cases.json"
    page.write_text("before\n<!-- cases -->\nold\n<!-- end -->\nafter\n")
    save([measured(1)], path)
    main([str(path), "--page", str(page)])
    text = page.read_text()
    assert text.startswith("before\n<!-- cases -->\n\n| case |")
    assert text.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in text


def test_the_page_has_the_section() -> None:
    assert "| A99: a title |" in renewed(PAGE.read_text(), [measured(99)])
