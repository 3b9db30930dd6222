"""`openai-api check-config`: is the configuration file right, and do its Tritons agree."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.command import add_command
from app.settings import Settings

if TYPE_CHECKING:
    from app.commands.command import Commands

EXAMPLES = (
    ("the file, the folders and templates that it names", "openai-api check-config models.json"),
    ("and every model's Triton", "openai-api check-config models.json --connect"),
)
EXITS = """exit status:
  0  no mistakes
  1  a model is not ready in its Triton, or is another than the file says
  2  mistakes in the file"""


def add_to(commands: Commands) -> None:
    """Its arguments."""
    parser = add_command(
        commands,
        "check-config",
        "check a configuration file",
        _check,
        description="Read a configuration file as the server does, and tell every mistake in it"
        " with its place and the remedy, and how each model was understood.",
        shown=EXAMPLES,
        more=EXITS,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the file that lists the models")
    parser.add_argument("--connect", action="store_true", help="ask every model's Triton, too")


def _check(parsed: argparse.Namespace) -> int:
    from app.check_config import check

    environ = {**os.environ, "CONFIG_FILE": str(parsed.file)}
    return check(Settings.load(environ), connect=parsed.connect)
