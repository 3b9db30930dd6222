"""The help pages and how failures look."""

from __future__ import annotations

import re
import shlex

import pytest

from app.cli import GROUPS, _parsers
from app.commands.setting_flags import GROUPS as SETTING_GROUPS
from app.commands.setting_flags import group_of
from app.settings import TABLE
from app.terminal.escapes import one_line, printable
from app.version import VERSION
from tests.commands.running import run, terminal

COMMANDS = [name for names in GROUPS.values() for name in names]
# `demo` has a parser of its own.
OWN_PAGES = [name for name in COMMANDS if name != "demo"]
EXAMPLE = re.compile(r"^  # [^\n]+\n((?:  [^#\n][^\n]*\n?)+)", re.MULTILINE)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Every page by its command; "" is the first."""
    found = {name: run(name, "--help") for name in OWN_PAGES}
    found[""] = run("--help")
    assert {name: each.returncode for name, each in found.items() if each.returncode} == {}
    return {name: each.stdout for name, each in found.items()}


def test_every_command_is_in_a_group(pages: dict[str, str]) -> None:
    listed = {
        action.dest for action in _parsers()[0]._subparsers._group_actions[0]._choices_actions
    }
    assert listed == set(COMMANDS)
    for name in COMMANDS:
        assert f"\n  {name} " in pages[""]


def test_pages_fit_80_columns(pages: dict[str, str]) -> None:
    wide = [
        (name, line) for name, page in pages.items() for line in page.splitlines() if len(line) > 80
    ]
    assert wide == []


def test_pages_fit_a_narrow_terminal() -> None:
    lines = run("chat", "--help", COLUMNS="60").stdout.split("examples:")[0].splitlines()
    options = [line for line in lines if line.startswith(" ")]
    assert [line for line in options if len(line) > 60] == []


@pytest.mark.parametrize("name", OWN_PAGES)
def test_every_page_has_examples(pages: dict[str, str], name: str) -> None:
    assert "examples:" in pages[name]


def test_examples_are_commands_that_are_taken(pages: dict[str, str]) -> None:
    """Each is given to the parser, which knows its command, flags and values."""
    parser = _parsers()[0]
    found = [text for page in pages.values() for text in EXAMPLE.findall(page)]
    assert len(found) > 15
    for text in found:
        line = " ".join(text.split())
        if "completion" in line:
            line = re.sub(r".*(openai-api completion \w+).*", r"\1", line)
        words = shlex.split(line.rpartition("|")[2])
        arguments = words[words.index("openai-api") + 1 :]
        if arguments[:1] != ["demo"]:
            first = arguments[:1] if arguments and not arguments[0].startswith("-") else []
            parser.parse_args(arguments if first else ["serve", *arguments])


def test_settings_have_a_heading() -> None:
    titles = {title for title, _ in SETTING_GROUPS}
    assert {group_of(row) for row in TABLE} <= titles
    assert group_of(next(row for row in TABLE if row.name == "port")) == "network"
    assert group_of(next(row for row in TABLE if row.name == "api_keys")) == "keys and their limits"


def test_version() -> None:
    found = run("--version")
    assert (found.returncode, found.stdout) == (0, f"openai-api {VERSION}\n")


def test_flags_are_written_out() -> None:
    """A flag that is added later must not change what a shorter one meant."""
    found = run("chat", "--temp", "0", "Hi")
    assert found.returncode == 2
    assert "--temp" in found.stderr


COLOUR = "\x1b["


def test_a_terminal_gets_colours_and_others_none() -> None:
    for arguments in (("--help",), ("chat", "--url", "ftp://x", "Hi")):
        with terminal(*arguments) as screen:
            screen.code()
            assert COLOUR in screen.seen
        with terminal(*arguments, NO_COLOR="1") as screen:
            screen.code()
            assert COLOUR not in screen.seen
        found = run(*arguments)
        assert COLOUR not in found.stdout + found.stderr


def test_long_advice_is_broken_into_lines() -> None:
    with terminal("chat", "--url", "ftp://x", "Hi", COLUMNS="50") as screen:
        screen.code()
        advice = screen.plain().splitlines()[1:]
    assert len(advice) > 1
    assert all(len(line) <= 50 for line in advice)


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    """As `openai-api ... | head -1`."""
    import subprocess

    from tests.commands.running import COMMAND, environment

    command = f"{shlex.join(COMMAND)} completion bash | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, env=environment({})
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 你好 👋\n\ttab", "plain, 你好 👋\n\ttab"),
        ("\x1b[31m", "␛[31m"),
        ("a\rb\x00\x7f", "a␍b␀␡"),
        ("\x9b\u202e\u2066\ud800\u2028", "�����"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_one_line() -> None:
    assert one_line(" a\n b\x1b ") == "a b␛"
