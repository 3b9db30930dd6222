"""The pages in Chinese: their commands are those of the English ones."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import LINK, PROJECT, Block, blocks

READMES = PROJECT / "README.md", PROJECT / "README.zh-CN.md"
QUICK_START = PROJECT / "docs" / "zh" / "quick-start.md"
TUTORIAL = PROJECT / "docs" / "tutorial.md"


def code(page: Path) -> list[tuple[str, str]]:
    return [(block.language, block.text) for block in blocks(page)]


def test_the_readmes_have_the_same_blocks() -> None:
    english, chinese = READMES
    assert code(chinese) == code(english)


def test_the_readmes_lead_to_the_same_pages() -> None:
    english, chinese = ({*LINK.findall(page.read_text())} for page in READMES)
    own = {"README.md", "README.zh-CN.md", "docs/zh/quick-start.md"}
    assert chinese - own == english - own


def test_the_quick_start_has_only_commands_of_english_pages() -> None:
    known = {pair for page in (READMES[0], TUTORIAL) for pair in code(page)}
    assert [block for block in blocks(QUICK_START) if not is_known(block, known)] == []


def is_known(block: Block, known: set[tuple[str, str]]) -> bool:
    # What is shown alone of a longer output is compared by test_tutorial.py.
    return (block.language, block.text) in known or block.language == "text"
