"""Reasons stand here or on a page that a reader has: nothing absent is cited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from app.settings import PROJECT_ROOT

FOLDERS = ("app", "benchmarks", "demo", "docs", "tests")
# "api 5.4", "reliability F20": sections of pages that are not part of the project.
CITATION = re.compile(
    r"(?<!-)\b(design|api|reliability|transport|peers|triton-contracts) (F?[0-9])"
)


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for pattern in ("*.py", "*.md"):
            yield from (PROJECT_ROOT / folder).rglob(pattern)


def test_no_section_of_an_absent_page_is_cited() -> None:
    ignored = {"node_modules", ".venv"}
    found = [
        f"{path.relative_to(PROJECT_ROOT)}: {line.strip()}"
        for path in sources()
        if path != Path(__file__) and not ignored & set(path.parts)
        for line in path.read_text().splitlines()
        if CITATION.search(line)
    ]
    assert found == []
