"""`python -m benchmarks.document RESULTS`: the figures of docs/performance.md, from results.json.

Text between `<!-- bars -->` and `<!-- end -->` is written anew, and so for the other names; the
charts become files in docs/performance/. Everything else on the page stays as somebody wrote it.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.bars import Verdict, judge
from benchmarks.charts import STYLE
from benchmarks.exhibits import Exhibit, exhibits
from benchmarks.places import BENCH, ROOT
from benchmarks.report import MACHINE, MISSING
from benchmarks.results import Results
from benchmarks.tables import Table, bar_rows, ceiling_sentence, cross_check_table, scenario_table

PAGE = ROOT / "docs" / "performance.md"
LINE = 120
SECTION = re.compile(r"(<!-- (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Renew the page and its charts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=BENCH / "results" / "results.json")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    write(results.load(options.results), options.page)


def write(found: Results, page: Path) -> None:
    """Renew `page` and the folder of charts beside it that has its name."""
    charts = page.with_suffix("")
    charts.mkdir(exist_ok=True)
    drawn = exhibits(found)
    for each in drawn:
        (charts / f"{each.name}.svg").write_text(standalone(each.svg), "utf-8")
    sections = page_sections(found, drawn, charts.name)
    page.write_text(renewed(page.read_text("utf-8"), sections), "utf-8")


def standalone(svg: str) -> str:
    """A file of its own: with the colours, and a newline at the end."""
    return svg.replace(">", f"><style>{STYLE}</style>", 1) + "\n"


def renewed(page: str, sections: Mapping[str, str]) -> str:
    """The page with the text of each section between its markers."""

    def section(match: re.Match[str]) -> str:
        text = sections.get(match["name"])
        return match[0] if text is None else f"{match[1]}\n{text}\n\n{match[3]}"

    return SECTION.sub(section, page)


def page_sections(found: Results, drawn: Sequence[Exhibit], folder: str) -> dict[str, str]:
    """Markdown by the name of the section."""
    verdicts = judge(found)
    return {
        "machine": _machine(found.content),
        "bars": "\n\n".join([markdown(bar_rows(verdicts)), *_explanations(verdicts)]),
        "ceiling": wrapped(ceiling_sentence(found)),
        "crosscheck": markdown(cross_check_table(found)),
        "charts": "\n\n".join(_chart(each, folder) for each in drawn),
        "tables": "\n\n".join(_tables(found)),
    }


def wrapped(text: str) -> str:
    """Paragraphs with lines of at most `LINE` characters."""
    return "\n\n".join(textwrap.fill(" ".join(each.split()), LINE) for each in text.split("\n\n"))


def markdown(table: Table) -> str:
    """A table as Markdown."""
    lines = [table.headings, ["---"] * len(table.headings), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(content: Mapping[str, Any]) -> str:
    facts = {**content["machine"], "runs": content["runs"]}
    rows = [(label, str(facts[key])) for key, label in MACHINE.items() if key in facts]
    for name, parts in content["versions"].items():
        rows.append((name, ", ".join(f"{part} {version}" for part, version in parts.items())))
    return markdown(Table(("", ""), tuple(rows)))


def _explanations(verdicts: Sequence[Verdict]) -> list[str]:
    return [
        wrapped(f"**Not met: {each.bar.what}.** {each.explanation or MISSING}")
        for each in verdicts
        if each.is_met is False
    ]


def _chart(each: Exhibit, folder: str) -> str:
    return f"### {each.title}\n\n{wrapped(each.text)}\n\n![{each.title}]({folder}/{each.name}.svg)"


def _tables(found: Results) -> list[str]:
    parts = []
    for scenario in found.scenarios():
        table = markdown(scenario_table(found, scenario["name"], has_ranges=False))
        parts += [f"### {scenario['title']}", table]
    return parts


if __name__ == "__main__":
    main()
