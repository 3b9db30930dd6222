"""How `--help` looks: headings, and lines as they were written, on at most 80 columns."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from app.terminal.escapes import printable
from app.terminal.styles import is_coloured, styled

MAX_WIDTH = 80
HEADING = re.compile(r"^([a-z][^\n:]*:)$", re.MULTILINE)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """argparse's own, not wider than 80 columns."""

    def __init__(self, prog: str) -> None:
        # argparse itself leaves two columns free.
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH) - 2
        super().__init__(prog, max_help_position=26, width=width)

    def add_argument(self, action: argparse.Action) -> None:
        """The list of commands is told by the page itself, in groups."""
        if not isinstance(action, argparse._SubParsersAction):
            super().add_argument(action)


class Parser(argparse.ArgumentParser):
    """A parser with such pages, whose flags must be written out."""

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", HelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(**kwargs)  # type: ignore[arg-type]  # argparse's, as they are

    def format_help(self) -> str:
        """The page, with its headings in bold on a terminal."""
        page = super().format_help()
        if not is_coloured(sys.stdout):
            return page
        return HEADING.sub(lambda found: styled(found[1], sys.stdout, "bold"), page)

    def error(self, message: str) -> None:  # type: ignore[override]  # it does not return
        """Tell what is wrong with the arguments, and where they are explained; exits with 2."""
        label = styled("error:", sys.stderr, "red", "bold")
        self.exit(2, f"{self.prog}: {label} {printable(message)}\n{self.format_usage()}")


def examples(pairs: Sequence[tuple[str, str]]) -> str:
    """The end of a page: what each command does, and the command."""
    lines = [f"  # {what}\n  {command}" for what, command in pairs]
    return "\n".join(["examples:", *lines])


def paragraphs(text: str) -> str:
    """Each paragraph broken into lines anew."""
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(textwrap.fill(part, MAX_WIDTH - 2) for part in parts)


def wrapped(text: str, stream: TextIO) -> str:
    """A paragraph, whoever's, with a margin, and broken into lines where a terminal shows it."""
    text = printable(text)
    if not stream.isatty():
        return f"  {text}"
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    fill = textwrap.TextWrapper(
        width, initial_indent="  ", subsequent_indent="  ", break_long_words=False
    )
    return fill.fill(text)
