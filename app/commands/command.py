"""How a command is made known to the parser of the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.terminal.help_pages import Parser, examples, paragraphs

if TYPE_CHECKING:
    # Only for the type checker: at run time argparse's class takes no parameters.
    Commands = argparse._SubParsersAction[Parser]

DEFAULT_URL = "http://localhost:5100"
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_KEY_VARIABLE = "OPENAI_API_KEY"


def add_command(
    commands: Commands,
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
    *,
    description: str = "",
    shown: Sequence[tuple[str, str]] = (),
    more: str = "",
) -> Parser:
    """A command's own parser; `shown` are its examples, `more` what its page ends with."""
    parts = [part for part in (examples(shown) if shown else "", more) if part]
    parser = commands.add_parser(
        name,
        help=summary,
        description=paragraphs(description or summary),
        epilog="\n\n".join(parts),
    )
    parser.set_defaults(run=run)
    return parser


def add_server_flags(parser: Parser, *, has_url: bool = True) -> None:
    """Which server a command talks to, and with which key; OpenAI's clients read the same two."""
    group = parser.add_argument_group("server")
    if has_url:
        group.add_argument(
            "--url",
            default=os.environ.get(URL_VARIABLE) or DEFAULT_URL,
            help="the server's address, with or without /v1"
            f" (default: {URL_VARIABLE} in the environment, or {DEFAULT_URL})",
        )
    group.add_argument(
        "--key-env",
        default=DEFAULT_KEY_VARIABLE,
        metavar="VARIABLE",
        help="the environment variable that holds the API key; none is sent if it is not set"
        f" (default: {DEFAULT_KEY_VARIABLE})",
    )
