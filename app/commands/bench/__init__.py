"""`openai-api bench URL`: quick load figures of any server of the OpenAI API."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.commands.command import add_command, add_server_flags
from app.terminal.failures import EXIT_CONFIGURATION, CommandError
from app.terminal.help_pages import Parser

if TYPE_CHECKING:
    from app.commands.command import Commands

SUMMARY = "quick load figures of a server"
DESCRIPTION = """Send requests to a server, some of them at a time, and tell how fast they were
answered: requests and tokens per second, the time to the first token, the time
between tokens, and errors by their kind. Ctrl-C ends it and prints what there is.

It is a quick look by one Python process, which tells how busy it was itself.
The measurement beside other servers is `make bench` of the source code."""
EXAMPLES = (
    ("64 chats, 8 at a time", "openai-api bench http://localhost:5100"),
    (
        "more of them, with longer prompts and answers",
        "openai-api bench http://localhost:5100 --requests 500 --concurrency 64\n"
        "      --prompt-tokens 1000 --max-tokens 200",
    ),
    (
        "embeddings",
        "openai-api bench http://localhost:5100 --embeddings --model all-minilm-l6-v2",
    ),
    ("for a program", "openai-api bench http://localhost:5100 --json"),
)
EXITS = """exit status:
  0    every request was answered
  1    at least one was not, or the server cannot be reached
  130  stopped by Ctrl-C"""
MAX_CONCURRENCY = 256
MAX_REQUESTS = 1_000_000


def add_to(commands: Commands) -> None:
    """Its arguments."""
    parser = add_command(
        commands, "bench", SUMMARY, _run, description=DESCRIPTION, shown=EXAMPLES, more=EXITS
    )
    parser.add_argument("url", metavar="URL", help="the server's address, with or without /v1")
    add_server_flags(parser, has_url=False)
    _add_load_flags(parser)
    _add_request_flags(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, without a progress bar")


def _add_load_flags(parser: Parser) -> None:
    group = parser.add_argument_group("load")
    _add_number(group, "--requests", 64, "how many requests")
    _add_number(group, "--concurrency", 8, f"how many at a time, at most {MAX_CONCURRENCY}")
    _add_number(group, "--timeout", 120, "seconds for which the server may be silent")


def _add_request_flags(parser: Parser) -> None:
    group = parser.add_argument_group("requests")
    group.add_argument("--model", help="its name (default: the server's first for the task)")
    _add_number(group, "--max-tokens", 64, "longest answer; a model may end it earlier")
    _add_number(group, "--prompt-tokens", 64, "about so many tokens in each prompt or text")
    kinds = group.add_mutually_exclusive_group()
    kinds.add_argument("--stream", action="store_true", help="streamed chats (the default)")
    kinds.add_argument("--whole", action="store_true", help="chats that are answered as a whole")
    kinds.add_argument("--embeddings", action="store_true", help="embeddings of one text each")


def _add_number(group: object, flag: str, default: int, told: str) -> None:
    add = group.add_argument  # type: ignore[attr-defined]  # argparse names its groups privately
    add(flag, type=_count, default=default, metavar="N", help=f"{told} (default: {default})")


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MAX_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MAX_REQUESTS}")
    return number


def _run(parsed: argparse.Namespace) -> int:
    if parsed.concurrency > MAX_CONCURRENCY:
        raise CommandError(
            f"this client has at most {MAX_CONCURRENCY} requests open at a time",
            advice="Start it several times, or use `make bench`, whose client takes thousands.",
            code=EXIT_CONFIGURATION,
        )
    from app.commands.bench.run import run_bench

    return run_bench(parsed)
