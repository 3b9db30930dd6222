"""`python -m tests.faults.report FILE`: the cases in docs/reliability.md, from what they measured.

The text between `<!-- cases -->` and `<!-- end -->` is written anew. Everything else on the page
stays as somebody wrote it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.record import Case, Figure, load

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reliability.md"
RECORD = PROJECT / ".cache" / "faults.json"
SECTION = re.compile(r"(<!-- cases -->\n).*?(<!-- end -->)", re.DOTALL)
HEADINGS = ("case", "what was done, how often", "measured (demanded)", "met")


def main(arguments: Sequence[str] | None = None) -> None:
    """Renew the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", default=RECORD)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    text = renewed(options.page.read_text("utf-8"), load(options.file))
    options.page.write_text(text, "utf-8")


def renewed(page: str, cases: Sequence[Case]) -> str:
    """The page with these cases."""
    return SECTION.sub(lambda match: f"{match[1]}\n{table(cases)}\n\n{match[2]}", page)


def table(cases: Sequence[Case]) -> str:
    """One row for each case, as Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *map(row, cases)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row(case: Case) -> list[str]:
    """A case's cells."""
    name = f"{case.id}: {case.title}"
    if case.not_run is not None:
        return [name, case.injected, f"not run: {_plain(case.not_run)}", "not run"]
    injected = case.injected if case.times == 1 else f"{case.injected} ({case.times} times)"
    failure = [] if case.outcome == "passed" else [f"**{_plain(case.outcome)}**"]
    figures = [*map(_figure, case.figures), *failure]
    return [name, _plain(injected), "<br>".join(figures), verdict(case)]


def verdict(case: Case) -> str:
    """Whether every bar of a case is met."""
    if case.outcome != "passed":
        return "**no**"
    missed = sum(not figure.is_met for figure in case.figures)
    return f"**all but {missed}**" if missed else "yes"


def _figure(figure: Figure) -> str:
    text = _plain(f"{figure.name}: {figure.measured} ({figure.bar})")
    return text if figure.is_met else f"**{text}**"


def _plain(text: str) -> str:
    """Without what ends a cell."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
