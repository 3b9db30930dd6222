"""`openai-api completion`: the script that makes a shell complete commands and flags."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from app.commands.command import add_command
from app.terminal.help_pages import Parser

if TYPE_CHECKING:
    from app.commands.command import Commands

SUMMARY = "print a script that completes commands in your shell"
SHELLS = ("bash", "zsh", "tcsh")
EXAMPLES = (
    ("in this shell (bash)", 'eval "$(openai-api completion bash)"'),
    ("always (bash)", """echo 'eval "$(openai-api completion bash)"' >> ~/.bashrc"""),
    ("always (zsh), in a folder of $fpath", "openai-api completion zsh > ~/.zfunc/_openai-api"),
)


def add_to(commands: Commands, whole: Callable[[], Parser]) -> None:
    """Its arguments; `whole` makes the parser of the whole command line."""

    def run(parsed: argparse.Namespace) -> int:
        import shtab

        whole_parser = whole()
        _complete_paths(whole_parser, {"FILE": shtab.FILE, "FOLDER": shtab.DIRECTORY})
        print(shtab.complete(whole_parser, shell=parsed.shell))
        return 0

    parser = add_command(commands, "completion", SUMMARY, run, shown=EXAMPLES)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _complete_paths(parser: argparse.ArgumentParser, kinds: Mapping[str, object]) -> None:
    """Let the arguments that stand for files or folders complete them, in every command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command, kinds)
        kind = str(action.metavar).rpartition("_")[2]
        if kind in kinds:
            action.complete = kinds[kind]  # type: ignore[attr-defined]  # shtab reads it
