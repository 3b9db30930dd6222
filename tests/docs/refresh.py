"""`python -m tests.docs.refresh URL` writes the real answers of a running demo into the pages."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.docs.commands import run_curl, run_python
from tests.docs.outputs import shown
from tests.docs.pages import PAGES, PROJECT, Block, with_output


def refresh(page: Path, url: str) -> None:
    """Replace every output block of a page; the README's Python block is the example's text.

    What other tests run is left as it is.
    """
    text = page.read_text()
    for block, output in reversed(with_output(page)):
        if block.not_run or block.run_by:
            continue
        if output is not None:
            text = text[: output.start] + _printed(block, url) + text[output.end :]
        if block.language == "python":
            text = text[: block.start] + _example() + text[block.end :]
    page.write_text(text)


def _printed(block: Block, url: str) -> str:
    if block.language == "python":
        return run_python(_example(), url)
    return shown(run_curl(block.text, url)[0])


def _example() -> str:
    return (PROJECT / "examples" / "openai_python.py").read_text()


if __name__ == "__main__":
    for each in PAGES:
        refresh(each, sys.argv[1])
