"""Links of the pages to files outside docs/, which the site takes in; a hook of mkdocs.

Another Markdown file becomes a page under project/, any other file a text under files/. A link to a
folder becomes plain text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
# A link or an image: its text, its target, and the heading there.
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file outside docs/ that a page leads to, and those that these lead to."""
    waiting = [DOCS / file.src_uri for file in files.documentation_pages()]
    known = set(waiting)
    for page in waiting:
        for path in outside(page):
            if path not in known:
                known.add(path)
                files.append(File.generated(config, place_of(path), content=path.read_text()))
                if path.suffix == ".md":
                    waiting.append(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page to where the files are in the site."""
    here = source_of(page.file.src_uri)
    return LINK.sub(lambda match: _rewritten(match, here, page.file.src_uri), markdown)


def outside(page: Path) -> Iterator[Path]:
    """The files outside docs/ that a page links to."""
    for _, _, target, _ in LINK.findall(page.read_text()):
        path = resolved(page, target)
        if path.is_file() and not path.is_relative_to(DOCS):
            yield path


def resolved(page: Path, target: str) -> Path:
    """What a link of a page leads to."""
    return Path(os.path.normpath(page.parent / target))


def place_of(path: Path) -> str:
    """Where a file of the project is in the site, as mkdocs names it."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    name = path.relative_to(PROJECT).as_posix()
    # With .txt browsers show what they do not know.
    return f"project/{name}" if path.suffix == ".md" else f"files/{name}.txt"


def source_of(place: str) -> Path:
    """The file that is at a place of the site."""
    if place.startswith("project/"):
        return PROJECT / place.removeprefix("project/")
    return DOCS / place


def _rewritten(match: re.Match[str], here: Path, place: str) -> str:
    mark, text, target, anchor = match.groups(default="")
    path = resolved(here, target)
    if path.is_dir():
        return text
    folder = PurePosixPath(place).parent
    return f"{mark}[{text}]({os.path.relpath(place_of(path), folder)}{anchor})"
