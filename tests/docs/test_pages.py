"""Every page: its links, its line lengths, and every command and example that it shows."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from tests.docs import outputs
from tests.docs.commands import ENVIRONMENT, run_curl, run_python, run_shell
from tests.docs.pages import ANCHOR, LINK, PAGES, PROJECT, Block, anchors, with_output
from tests.live.http import Server

LONGEST_LINE = 120

CODE = [pair for page in PAGES for pair in with_output(page)]
SHELL = [pair for pair in CODE if pair[0].language == "sh"]
CURL = [pair for pair in SHELL if pair[0].text.startswith("curl ")]
PYTHON = [pair for pair in CODE if pair[0].language == "python"]
SERVERS = ("openai-api serve", "gunicorn ", "flask ")
LINES = [line for block, _ in SHELL for line in block.text.splitlines()]
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
    # Rows of tables cannot be broken, and neither can what a server says.
    lines = page.read_text().splitlines()
    lines = [line for line in lines if not line.startswith(("data: ", "| "))]
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


def test_every_decision_is_in_the_list() -> None:
    folder = PROJECT / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_shell_block_is_known() -> None:
    known = (*NOT_RUN_HERE, *SERVERS, "curl ", "openai-api check-config ", "python -m tests.docs")
    commands = [block.text.lstrip() for block, _ in SHELL]
    assert [text for text in commands if not text.startswith(known)] == []


@pytest.mark.parametrize(("block", "output"), named(CURL))
def test_curl_commands_answer_as_shown(block: Block, output: Block | None, gateway: Server) -> None:
    body, status = run_curl(block.text, gateway.url)
    if output is None:
        assert status == "200"
        return
    is_error = '"error": {' in output.text
    assert status == ("400" if is_error else "200")
    outputs.assert_alike(output.text, body)


@pytest.mark.parametrize(("block", "output"), named(PYTHON))
def test_python_blocks_print_as_shown(block: Block, output: Block, gateway: Server) -> None:
    assert run_python(block.text, gateway.url) == output.text


def test_the_readmes_python_is_the_example() -> None:
    (example,) = (block.text for block, _ in PYTHON if block.page.name == "README.md")
    assert example == (PROJECT / "examples" / "openai_python.py").read_text()


def test_check_config(gateway: Server, configuration: Path) -> None:
    (command,) = {line.strip() for line in LINES if "check-config" in line}
    printed = run_shell(command.replace("model_config.json", str(configuration)), gateway.url)
    assert "demo-chat: ready" in printed


def test_server_commands_start_a_server(configuration: Path, tmp_path: Path) -> None:
    commands = [line for line in LINES if line.startswith(SERVERS)]
    assert len(commands) == len(SERVERS)
    ports = free_ports(len(commands))
    with started(dict(zip(ports, commands, strict=True)), configuration, tmp_path):
        for port, command in zip(ports, commands, strict=True):
            assert wait_for_health(port), f"{command}: {(tmp_path / str(port)).read_text()}"


@contextmanager
def started(commands: dict[int, str], configuration: Path, logs: Path) -> Iterator[None]:
    """Run each command, on its port and with one worker."""
    processes = [start(port, text, configuration, logs) for port, text in commands.items()]
    try:
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait(20)


def start(port: int, command: str, configuration: Path, logs: Path) -> subprocess.Popen[bytes]:
    text = (
        command.replace("5100", str(port))
        .replace("0.0.0.0", "127.0.0.1")
        .replace("model_config.json", str(configuration))
    )
    variables = {"PORT": str(port), "CONFIG_FILE": str(configuration), "WORKERS": "1"}
    with (logs / str(port)).open("wb") as log:
        return subprocess.Popen(
            ["bash", "-euc", f"exec {text}"],
            cwd=PROJECT,
            env={**ENVIRONMENT, **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_for_health(port: int, timeout: float = 40.0) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    return False
