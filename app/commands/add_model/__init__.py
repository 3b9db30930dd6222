"""`openai-api add-model`: look at a model in Triton, and write its entry into the configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.command import add_command
from app.terminal.help_pages import Parser

if TYPE_CHECKING:
    from app.commands.command import Commands

SUMMARY = "add a model of a Triton to the configuration file"
DESCRIPTION = """Ask a Triton for its models, find out what one of them is for from its inputs and
outputs, and write its entry into the configuration file. The entry is checked
first, as check-config --connect does; the file's other content stays as it is,
and what was there before is kept in FILE.bak.

On a terminal it asks for what is not given. For scripts give --yes: then nothing
is asked, and what is missing is told."""
EXAMPLES = (
    ("asks for everything", "openai-api add-model"),
    (
        "see the entry without writing it",
        "openai-api add-model --triton localhost:8001 --path /models/llama --dry-run",
    ),
    (
        "a language model, from a script",
        "openai-api add-model --triton localhost:8001 --triton-model ensemble\n"
        "      --name llama --path /models/llama --chat-template llama3.jinja --yes",
    ),
)
EXITS = """exit status:
  0  added, or shown with --dry-run
  1  Triton cannot be asked, or its model does not fit the entry
  2  something is missing or wrong in what was given, or in the file"""
TASKS = ("generate", "embed", "rerank")


def add_to(commands: Commands) -> None:
    """Its arguments."""
    parser = add_command(
        commands, "add-model", SUMMARY, _run, description=DESCRIPTION, shown=EXAMPLES, more=EXITS
    )
    _add_model_flags(parser)
    _add_language_flags(parser)
    group = parser.add_argument_group("the file")
    group.add_argument(
        "--config-file",
        type=Path,
        metavar="FILE",
        help="(default: CONFIG_FILE in the environment, or model_config.json)",
    )
    group.add_argument("--yes", action="store_true", help="ask nothing")
    group.add_argument("--dry-run", action="store_true", help="print the entry, write nothing")
    group.add_argument(
        "--not-ready", action="store_true", help="write it even if Triton cannot serve it now"
    )


def _add_model_flags(parser: Parser) -> None:
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--triton",
        action="append",
        metavar="HOST:PORT",
        help="Triton's gRPC or HTTP address, as the server will reach it; give it twice, with"
        " both, where their ports are not neighbours",
    )
    group.add_argument("--triton-model", metavar="NAME", help="what Triton calls the model")
    group.add_argument("--name", help="what clients will call it (default: as Triton does)")
    group.add_argument(
        "--path", metavar="FOLDER", help="its Hugging Face folder, with the tokenizer"
    )
    group.add_argument(
        "--task", choices=TASKS, help="what it is for (default: what its tensors tell)"
    )
    group.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="run the tokenizer's own Python code; only for a folder that you trust",
    )


def _add_language_flags(parser: Parser) -> None:
    group = parser.add_argument_group("language models")
    group.add_argument(
        "--backend",
        choices=("fastertransformer", "tensorrt_llm", "vllm"),
        help="(default: what its inputs tell)",
    )
    group.add_argument(
        "--chat-template",
        metavar="FILE",
        help="one of chat_templates/, a file beside the configuration, or none"
        " (default: the folder's own, or what its config.json suggests)",
    )
    told = "if the folder does not tell it"
    group.add_argument("--start-id", type=int, metavar="ID", help=f"the begin token, {told}")
    group.add_argument("--end-id", type=int, metavar="ID", help=f"the end token, {told}")
    group.add_argument("--max-len", type=int, metavar="TOKENS", help=f"the context, {told}")


def _run(parsed: argparse.Namespace) -> int:
    from app.commands.add_model.run import add_model

    return add_model(parsed)
