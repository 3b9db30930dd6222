"""Colours where a terminal shows them, plain text everywhere else."""

from __future__ import annotations

import os
from typing import TextIO

CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
RESET = "\x1b[0m"


def is_coloured(stream: TextIO) -> bool:
    """Whether to colour: on a terminal that knows them, unless NO_COLOR is set.

    https://no-color.org
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return stream.isatty()


def styled(text: str, stream: TextIO, *names: str) -> str:
    """The text in these styles, as far as the stream shows any."""
    if not text or not names or not is_coloured(stream):
        return text
    codes = ";".join(CODES[name] for name in names)
    return f"\x1b[{codes}m{text}{RESET}"
