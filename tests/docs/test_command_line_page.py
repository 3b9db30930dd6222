"""docs/command-line.md: its commands with their outputs, its lists, and the flags that it names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.cli import _parsers
from demo.triton import TritonServer
from tests.commands.running import CTRL_D, environment, terminal
from tests.docs.commands import ADDRESS, ENVIRONMENT
from tests.docs.outputs import ANYTHING, same_but_left_out
from tests.docs.pages import PROJECT, Block, code_spans, rows, sections, with_output
from tests.live.http import Server
from tests.live.servers import running

PAGE = PROJECT / "docs" / "command-line.md"
TALK = "openai-api chat --model"
PAIRS = [(block, output) for block, output in with_output(PAGE) if block.run_by]
COMMANDS = [(block, output) for block, output in PAIRS if not block.text.startswith(TALK)]
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.fixture(scope="module")
def demo_server(demo_configuration: Path) -> Iterator[Server]:
    """The server with them."""
    with running("flask", demo_configuration, demo_configuration.with_name("log")) as server:
        yield server


@pytest.fixture(scope="module")
def places(
    demo_configuration: Path, demo_server: Server, tritonserver: TritonServer
) -> Mapping[str, str]:
    """What stands on the page, and what it is here."""
    both = f"--triton {tritonserver.http_url} --triton {tritonserver.grpc_url}"
    return {
        ADDRESS: demo_server.url,
        "--triton localhost:8001": both,
        "check-config model_config.json": f"check-config {demo_configuration}",
    }


def printed_as_on_the_page(text: str, triton: TritonServer, server: Server) -> str:
    """What was printed, with the page's addresses and without the spaces that nobody sees."""
    for here, there in (
        (server.url, ADDRESS),
        (triton.grpc_url, "localhost:8001"),
        (triton.http_url, "localhost:8000"),
        (f"{PROJECT}/", ""),
    ):
        text = text.replace(here, there)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize(("block", "output"), COMMANDS, ids=[str(block) for block, _ in COMMANDS])
def test_commands_print_what_is_shown(
    block: Block,
    output: Block | None,
    places: Mapping[str, str],
    demo_configuration: Path,
    demo_server: Server,
    tritonserver: TritonServer,
) -> None:
    text = block.text
    for there, here in places.items():
        text = text.replace(there, here)
    variables = {"OPENAI_BASE_URL": demo_server.url, "CONFIG_FILE": str(demo_configuration)}
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=PROJECT,
        env=environment({"PATH": ENVIRONMENT["PATH"], **variables}),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if output is None:
        return
    printed = printed_as_on_the_page(done.stdout, tritonserver, demo_server)
    assert is_like(output.text.strip(), printed.strip()), printed


def is_like(shown: str, printed: str) -> bool:
    """Whether it is what was printed; `…` stands for anything, the spaces before it included."""
    parts = re.split(rf" *{ANYTHING}", shown)
    return re.fullmatch(r"[\s\S]*?".join(map(re.escape, parts)), printed) is not None


def test_the_conversation(demo_server: Server) -> None:
    ((block, output),) = [pair for pair in PAIRS if pair[0].text.startswith(TALK)]
    assert output is not None
    arguments = block.text.split()[1:]
    with terminal(*arguments, OPENAI_BASE_URL=demo_server.url) as screen:
        for line in output.text.replace(ADDRESS, demo_server.url).splitlines():
            if line.startswith("> "):
                screen.expect("> ")
                screen.line(line.removeprefix("> "))
                screen.expect("\n")
            else:
                came = screen.expect("\n").rstrip("\n")
                assert same_but_left_out(line, came)
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0


def test_the_list_of_commands() -> None:
    (commands,) = _parsers()[0]._subparsers._group_actions
    listed = {
        row["command"].strip("`"): row["what it does"]
        for row in rows(PAGE, "Command line", "command")
    }
    assert listed == {action.dest: action.help for action in commands._choices_actions}


@pytest.mark.parametrize("name", ["check-config", "add-model", "chat", "models", "bench"])
def test_flags_that_are_named_are_flags(name: str) -> None:
    (commands,) = _parsers()[0]._subparsers._group_actions
    # Some sections send the reader to these two.
    known = "".join(
        commands.choices[each].format_help() for each in (name, "serve", "check-config")
    )
    text = sections(PAGE)[f"`{name}`"]
    named = {flag for span in code_spans(text) for flag in FLAG.findall(span)}
    assert named
    assert {flag for flag in named if flag not in known} == set()
