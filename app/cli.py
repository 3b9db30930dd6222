"""The command line: `openai-api [serve]` and the other commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from app.commands import add_model, bench, chat, check_config, completion, demo, models, serve
from app.errors import ConfigurationError
from app.terminal.escapes import printable
from app.terminal.failures import EXIT_CONFIGURATION, EXIT_INTERRUPTED, CommandError
from app.terminal.help_pages import Parser, examples, wrapped
from app.terminal.styles import styled
from app.version import VERSION

TOP_LEVEL = ("-h", "--help", "--version")
PROGRAM = "openai-api"
EXIT_CLOSED_PIPE = 141
GROUPS: Mapping[str, Sequence[str]] = {
    "run a server": ("serve", "demo", "check-config", "add-model"),
    "use a server": ("chat", "models", "bench"),
    "your shell": ("completion",),
}
EXAMPLES = (
    ("try everything, without a GPU", "openai-api demo"),
    ("start the server with your models", "openai-api --port 5100 --config-file models.json"),
    ("is the file right, are its models ready", "openai-api check-config models.json --connect"),
    ("talk with a model", "openai-api chat"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code. `serve` does not return."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in TOP_LEVEL):
        given.insert(0, "serve")
    _take_any_text()
    try:
        return _run(given)
    except ConfigurationError as error:
        return _report_problems(error)
    except CommandError as error:
        return _report(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Who read the output has had enough; Python would complain when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CLOSED_PIPE


def _run(given: Sequence[str]) -> int:
    parser, serve_parser = _parsers()
    if given[0] in ("-h", "--help"):
        # Without a command the options are those of `serve`, so both are told.
        print(parser.format_help() + "\n" + serve_parser.format_help())
        return 0
    if given[0] == "demo":
        # The demo has its own options; see `openai-api demo --help`.
        demo.run(given[1:])
    parsed = parser.parse_args(given)
    return int(parsed.run(parsed))


def _parsers() -> tuple[Parser, Parser]:
    """The parser of everything, and that of `serve`."""
    parser = Parser(prog=PROGRAM, usage=f"{PROGRAM} [COMMAND] [OPTIONS]")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {VERSION}")
    commands = parser.add_subparsers(prog=PROGRAM, metavar="COMMAND", required=True)
    serve_parser = serve.add_to(commands)
    for module in (demo, check_config, add_model, chat, models, bench):
        module.add_to(commands)
    completion.add_to(commands, lambda: _parsers()[0])
    summaries = {action.dest: action.help or "" for action in commands._choices_actions}
    parser.description = (
        f"The OpenAI API in front of Triton Inference Server.\n\n{_list(summaries)}"
    )
    parser.epilog = f"{examples(EXAMPLES)}\n\n`{PROGRAM} COMMAND --help` explains a command."
    return parser, serve_parser


def _list(summaries: Mapping[str, str]) -> str:
    parts = []
    for title, names in GROUPS.items():
        lines = [f"  {name:<14}{summaries[name]}" for name in names]
        parts.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join(parts)


def _take_any_text() -> None:
    """Let a character that the terminal's encoding lacks be a question mark, not a failure."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # what lacks it is passed over


def _report_problems(error: ConfigurationError) -> int:
    num = len(error.problems)
    label = styled(f"{num} problem{'s' if num > 1 else ''}:", sys.stderr, "red", "bold")
    print(f"{PROGRAM}: {label}", file=sys.stderr)
    for problem in error.problems:
        place = styled(f"{printable(problem.path)}:", sys.stderr, "bold")
        print(f"  {place} {printable(problem.message)}", file=sys.stderr)
    if error.advice:
        print(error.advice, file=sys.stderr)
    return EXIT_CONFIGURATION


def _report(error: CommandError) -> int:
    label = styled("error:", sys.stderr, "red", "bold")
    print(f"{PROGRAM}: {label} {printable(error.message)}", file=sys.stderr)
    if error.advice:
        print(wrapped(error.advice, sys.stderr), file=sys.stderr)
    return error.code
