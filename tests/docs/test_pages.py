"""Every page: its links, its line lengths, and every command and example that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from tests.docs import outputs
from tests.docs.commands import ADDRESS, run_curl, run_python, run_shell
from tests.docs.configurations import is_configuration
from tests.docs.pages import (
    ANCHOR,
    LINK,
    PAGES,
    PROJECT,
    Block,
    anchors,
    blocks,
    with_output,
)
from tests.docs.servers import started
from tests.docs.test_shown_exchanges import PAGE as SHOWN_EXCHANGES
from tests.live.http import Server

LONGEST_LINE = 120

CODE = [
    (block, output)
    for page in PAGES
    for block, output in with_output(page)
    if not block.not_run and not block.run_by
]
SHELL = [pair for pair in CODE if pair[0].language == "sh"]
CURL = [pair for pair in SHELL if pair[0].text.startswith("curl ")]
PYTHON = [pair for pair in CODE if pair[0].language == "python"]
CHECKS = "openai-api check-config "
SERVERS = ("openai-api serve", "gunicorn ", "flask ")
# The last ones are what a command prints, a file's text or a diagram.
LANGUAGES = ("sh", "python", "json", "", "text")
LINES = [line for block, _ in SHELL for line in block.text.splitlines()]
READMES = ("README.md", "README.zh-CN.md")
# What is run elsewhere, or cannot be run in a test.
NOT_RUN_HERE = {
    "make run": "tests/demo starts it",
    "make test": "this is part of it",
    'make test ARGS="tests/schemas -k chat"': "this is part of it",
    "make check": ".ci/run runs it",
    "docker build": "test_dockerfile.py does its steps, as far as it can",
    "docker run": "test_dockerfile.py does its steps, as far as it can",
    "docker compose": "tests/supply runs the server as it does, without an engine",
}


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def named(pairs: list[tuple[Block, Block | None]]) -> list[Any]:
    return [pytest.param(*pair, id=str(pair[0])) for pair in pairs]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_headings(page: Path) -> None:
    found = [
        (page.parent / name if name else page, anchor)
        for name, anchor in ANCHOR.findall(page.read_text())
    ]
    assert [(path.name, anchor) for path, anchor in found if anchor not in anchors(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_not_too_long(page: Path) -> None:
    # Rows of tables cannot be broken, and neither can images and what a server says.
    lines = page.read_text().splitlines()
    lines = [line for line in lines if not line.startswith(("data: ", "| ", "!["))]
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


def test_every_decision_is_in_the_list() -> None:
    folder = PROJECT / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_shell_block_is_known() -> None:
    known = (*NOT_RUN_HERE, *SERVERS, CHECKS, "source .venv", "curl ", "python -m tests.docs")
    commands = [block.text.lstrip() for block, _ in SHELL]
    assert [text for text in commands if not text.startswith(known)] == []


def test_curl_asks_the_server_that_runs() -> None:
    """Another address needs a test of its own."""
    assert [block for block, _ in CURL if ADDRESS not in block.text] == []


def test_every_block_of_json_is_tried() -> None:
    """It is what a command prints, a configuration, or an exchange of docs/api.md."""
    printed = {output for page in PAGES for _, output in with_output(page)}
    left = [
        block
        for page in PAGES
        for block in blocks(page)
        if block.language == "json"
        and not (block.not_run or block.run_by or block in printed or is_configuration(block))
        and block.page != SHOWN_EXCHANGES
    ]
    assert left == []


def test_every_block_of_another_language_is_marked() -> None:
    """Before it stands `<!-- not run: why -->` or `<!-- run by: tests/... -->`."""
    left = [
        block
        for page in PAGES
        for block in blocks(page)
        if block.language not in LANGUAGES and not (block.not_run or block.run_by)
    ]
    assert left == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_run_blocks_exist(page: Path) -> None:
    for block in blocks(page):
        if block.run_by:
            text = (PROJECT / block.run_by).read_text()
            # By its name, or with others of its folder by a pattern.
            assert page.name in text or f'"{page.name.partition("-")[0]}-*' in text, block


@pytest.mark.parametrize(("block", "output"), named(CURL))
def test_curl_commands_answer_as_shown(block: Block, output: Block | None, gateway: Server) -> None:
    body, status = run_curl(block.text, gateway.url)
    if output is None:
        assert status == "200", body
        return
    is_error = '"error": {' in output.text
    assert status == ("400" if is_error else "200")
    outputs.assert_alike(output.text, body)


@pytest.mark.parametrize(("block", "output"), named(PYTHON))
def test_python_blocks_print_as_shown(block: Block, output: Block, gateway: Server) -> None:
    assert run_python(block.text, gateway.url) == output.text


def test_the_readmes_python_is_the_example() -> None:
    shown = [block.text for block, _ in PYTHON if block.page.parent == PROJECT]
    example = (PROJECT / "examples" / "openai_python.py").read_text()
    assert shown == [example] * len(READMES)


def test_check_config(demo_configuration: Path) -> None:
    commands = {line.strip() for line in LINES if line.startswith(CHECKS)}
    assert commands == {"openai-api check-config model_config.json --connect"}
    for command in commands:
        printed = run_shell(command.replace("model_config.json", str(demo_configuration)), ADDRESS)
        assert "demo-chat: ready" in printed


def test_server_commands_start_a_server(demo_configuration: Path, tmp_path: Path) -> None:
    # A test is nobody else's server.
    lines = [line.replace("0.0.0.0", "127.0.0.1") for line in LINES]
    commands = sorted({line for line in lines if line.startswith(SERVERS)})
    assert len(commands) == len(SERVERS)
    here = [line.replace("model_config.json", str(demo_configuration)) for line in commands]
    ports = free_ports(len(commands))
    on_ports = {
        port: text.replace("5100", str(port)) for port, text in zip(ports, here, strict=True)
    }
    with started(on_ports, demo_configuration, tmp_path):
        # Each has answered.
        assert len(list(tmp_path.iterdir())) == len(commands)
