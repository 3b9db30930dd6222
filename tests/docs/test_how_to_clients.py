"""The guides that connect clients: what can be run of them is run with the clients themselves."""

from __future__ import annotations

import subprocess

import pytest

from tests.clients.programs import CLIENTS, HERE
from tests.docs.commands import ADDRESS
from tests.docs.pages import PROJECT, Block, blocks, with_output
from tests.live.http import Server

GUIDES = sorted((PROJECT / "docs" / "how-to").glob("connect-*.md"))
LANGCHAIN = PROJECT / "docs" / "how-to" / "connect-langchain.md"
PROGRAMS = [pair for pair in with_output(LANGCHAIN) if pair[0].language == "python"]


def test_every_guide_says_what_was_tried() -> None:
    assert len(GUIDES) == 5
    for page in GUIDES:
        assert "\n## What was tried\n" in page.read_text()
        assert "/v1" in page.read_text()


@pytest.mark.parametrize(("block", "output"), PROGRAMS, ids=[str(block) for block, _ in PROGRAMS])
def test_langchain(block: Block, output: Block, gateway: Server) -> None:
    done = subprocess.run(
        [
            str(CLIENTS / "current" / "bin" / "python"),
            "-c",
            block.text.replace(ADDRESS, gateway.url),
        ],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == output.text


def test_what_is_installed_is_what_is_tested() -> None:
    (command,) = (block.text for block in blocks(LANGCHAIN) if block.language == "sh")
    package = command.split()[-1]
    lock = (HERE / "requirements" / "current.txt").read_text()
    assert f"\n{package}==" in lock
