"""What a test needs of the Markdown pages: code blocks with their output, tables, links."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGES = (
    PROJECT / "README.md",
    PROJECT / "README.zh-CN.md",
    PROJECT / "CHANGELOG.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "SECURITY.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
)

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# Before a block: `<!-- not run: the reason -->`, or `<!-- run by: the test's file -->`.
NOTE = re.compile(r"<!-- (not run|run by): ([^>]+) -->\s*$")
# Between a command and what it prints there is nothing, or one line such as "It prints:".
INTRODUCTION = re.compile(r"```\s*(?:[^#\n`][^\n]*[:：]\s*)?```\w*\n")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)")
# A link to a heading: the page, which is this one if there is none, and the anchor.
ANCHOR = re.compile(r"\[[^\]]*\]\(([^)#:\s]*)#([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `start` and `end` are the offsets of its text in the page.

    `not_run` is the reason, `run_by` the file of the test that runs it, where the page says so.
    """

    page: Path
    language: str
    text: str
    start: int
    end: int
    not_run: str = ""
    run_by: str = ""

    def __str__(self) -> str:
        first = next(iter(self.text.splitlines()), "")
        return f"{self.page.name}: {first[:60]}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(
            page,
            match[2],
            textwrap.dedent(match[3]),
            match.start(3),
            match.end(3),
            **_note(text[: match.start()]),
        )
        for match in BLOCK.finditer(text)
    ]


def _note(before: str) -> dict[str, str]:
    found = NOTE.search(before)
    return {found[1].replace(" ", "_"): found[2]} if found else {}


def with_output(page: Path) -> list[tuple[Block, Block | None]]:
    """Every block of `sh` or `python`, with the block below it that shows what it prints."""
    found, text = blocks(page), page.read_text()
    return [
        (block, after if after and _is_output(block, after, text) else None)
        for block, after in zip(found, [*found[1:], None], strict=False)
        if is_code(block)
    ]


def _is_output(block: Block, after: Block, text: str) -> bool:
    between = text[block.end : after.start]
    return not is_code(after) and INTRODUCTION.fullmatch(between.strip(" ")) is not None


def is_code(block: Block) -> bool:
    return block.language in ("sh", "python")


def rows(page: Path, heading: str, first_column: str) -> list[dict[str, str]]:
    """The rows under a heading of all its tables whose first column has that name."""
    section = sections(page)[heading]
    found: list[dict[str, str]] = []
    names: list[str] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if not cells:
            names = []
        elif not names:
            names = cells
        elif names[0] == first_column and not set(line) <= set("|-"):
            found.append(dict(zip(names, cells, strict=True)))
    return found


def sections(page: Path) -> dict[str, str]:
    """The text under each heading, up to the next one of any level."""
    parts = HEADING.split(page.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(page: Path) -> set[str]:
    """What links to the page's headings are called on GitHub."""
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(page.read_text()))
    return {title.replace(" ", "-") for title in plain}


def code_spans(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]*)`", cell)
