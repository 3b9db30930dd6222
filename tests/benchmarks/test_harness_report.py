"""The report and the page of the documentation, from recorded results."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import document, results
from benchmarks.bars import BARS
from benchmarks.errors import BenchmarkError
from benchmarks.exhibits import PLANS, exhibits
from benchmarks.plans import GATEWAY
from benchmarks.report import render
from benchmarks.results import Results
from benchmarks.scales import from_zero, short, ticks
from benchmarks.tables import ceiling_sentence, scenario_table
from tests.benchmarks.results_files import recorded

FROM_ELSEWHERE = re.compile(r"""(?:src|href)\s*=|url\(|@import|<script""")


class _Balanced(HTMLParser):
    """Raises if a tag is closed that was not open."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    page = render(recorded())
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not FROM_ELSEWHERE.search(page)
    assert "prefers-color-scheme:dark" in page


def test_the_page_shows_every_bar_every_scenario_and_the_machine() -> None:
    page = render(recorded())
    for bar in BARS:
        assert escape(bar.what) in page
    for scenario in recorded().scenarios():
        assert escape(scenario["title"]) in page
    assert recorded().content["machine"]["cpu"] in page


def test_what_was_not_measured_is_told() -> None:
    content = {**recorded().content, "missing": {"hops, LiteLLM": "it <does> not start"}}
    assert "hops, LiteLLM: it &lt;does&gt; not start" in render(Results(content))


def test_every_chart_is_drawn_as_xml_with_a_title() -> None:
    drawn = exhibits(recorded())
    assert [each.name for each in drawn] == [plan.name for plan in PLANS]
    for each in drawn:
        assert ElementTree.fromstring(document.standalone(each.svg)).get("aria-label")


def test_charts_of_what_was_not_measured_are_left_out() -> None:
    assert exhibits(Results({**recorded().content, "scenarios": []})) == []


def test_a_table_has_a_row_for_every_cell_and_no_empty_columns() -> None:
    table = scenario_table(recorded(), "unpaced")
    assert len(table.rows) == len(list(recorded().cells("unpaced")))
    assert all(len(row) == len(table.headings) for row in table.rows)
    assert "KiB/stream" not in table.headings
    assert [row[1] for row in table.rows].count(GATEWAY) == 5


def test_the_mock_is_said_to_be_faster_than_all_others() -> None:
    assert "times less" in ceiling_sentence(recorded())


def test_a_page_is_renewed_between_its_markers_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(
        "# Mine\n<!-- bars -->\nfrom before\n<!-- end -->\nalso mine <!-- other --> x\n"
    )
    document.write(recorded(), page)
    once = page.read_text()
    assert once.startswith("# Mine\n<!-- bars -->\n\n| ")
    assert once.endswith("<!-- end -->\nalso mine <!-- other --> x\n")
    assert "from before" not in once
    document.write(recorded(), page)
    assert page.read_text() == once
    assert (tmp_path / "performance" / "throughput.svg").exists()


def test_results_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(recorded().content, path)
    assert results.load(path).content == recorded().content


@pytest.mark.parametrize("text", ["", "[]", '{"format": 0}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"results\.json"):
        results.load(path)


@pytest.mark.parametrize("highest", [0.003, 0.7, 1, 8, 9.99, 1234, 9.9e6])
def test_an_axis_reaches_beyond_every_value_in_few_steps(highest: float) -> None:
    scale = from_zero([highest / 2, highest], 0, 100)
    assert scale.high >= highest
    assert 3 <= len(ticks(scale)) <= 10


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.123"), (1.5, "1.5"), (99.96, "100"), (1234.5, "1,234")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text
