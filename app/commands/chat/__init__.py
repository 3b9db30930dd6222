"""`openai-api chat`: talk with a model of any server of the OpenAI API, in the terminal."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from app.commands.argument_types import finite, seconds
from app.commands.command import add_command, add_server_flags
from app.terminal.failures import CommandError
from app.terminal.help_pages import Parser

if TYPE_CHECKING:
    from app.commands.command import Commands

SUMMARY = "talk with a model in the terminal"
EXAMPLES = (
    ("a conversation with the first model of the server on this machine", "openai-api chat"),
    (
        "one question; the answer alone goes to standard output",
        "openai-api chat --model demo-chat 'How do I start the server?'",
    ),
    (
        "the question from a file or another program",
        "echo 'Hello!' | openai-api chat --temperature 0",
    ),
    (
        "another server, with the key in OPENAI_API_KEY",
        "openai-api chat --url https://api.example.com/v1 --model some-model",
    ),
)
DESCRIPTION = """Talk with a model of any server of the OpenAI API; the answer is shown as it comes.
Without PROMPT and on a terminal it is a conversation: /help lists what can be
typed, Ctrl-C stops an answer, Ctrl-D leaves."""
EXITS = """exit status of one question:
  0    answered
  1    the server refused or could not be reached
  130  stopped by Ctrl-C"""


def add_to(commands: Commands) -> None:
    """Its arguments."""
    parser = add_command(
        commands, "chat", SUMMARY, _run, description=DESCRIPTION, shown=EXAMPLES, more=EXITS
    )
    parser.add_argument(
        "prompt", nargs="?", metavar="PROMPT", help="one question; standard input is not read"
    )
    add_server_flags(parser)
    _add_model_flags(parser)


def _add_model_flags(parser: Parser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="its name (default: the server's first language model)")
    group.add_argument("--system", metavar="TEXT", help="the system prompt")
    group.add_argument("--temperature", type=finite, metavar="NUMBER", help="0 repeats itself")
    group.add_argument("--top-p", type=finite, metavar="NUMBER", help="sample from the likeliest")
    group.add_argument("--max-tokens", type=int, metavar="NUMBER", help="the longest answer")
    group.add_argument("--seed", type=int, metavar="NUMBER", help="makes sampling repeatable")
    group.add_argument(
        "--timeout",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long the server may be silent (default: 120)",
    )


def _run(parsed: argparse.Namespace) -> int:
    from app.commands.chat.conversation import Conversation, Sampling, Server
    from app.commands.chat.one_question import answer_one
    from app.commands.chat.talk import Talk

    server = Server.of(parsed.url, parsed.key_env, parsed.timeout)
    sampling = Sampling(parsed.temperature, parsed.top_p, parsed.max_tokens, parsed.seed)
    conversation = Conversation(server.model(parsed.model), parsed.system, sampling)
    if parsed.prompt is not None or not sys.stdin.isatty():
        question = _standard_input() if parsed.prompt is None else parsed.prompt
        return answer_one(server, conversation, question)
    return Talk(server, conversation).run()


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise CommandError("standard input is not text in UTF-8") from None
