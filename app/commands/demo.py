"""`openai-api demo`: a real Triton with three small models, and the server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from app.commands.command import add_command
from app.commands.demo_folder import demo_folder
from app.commands.setting_paths import with_absolute_paths
from app.terminal.failures import EXIT_CONFIGURATION, CommandError

if TYPE_CHECKING:
    from app.commands.command import Commands

EXAMPLES = (
    ("the server on port 5100", "openai-api demo"),
    ("on other ports", "openai-api demo --port 5200 --triton-ports 9000,9001,9002"),
)


def add_to(commands: Commands) -> None:
    """Its name only: the demo has options of its own, which it reads and explains itself."""
    add_command(
        commands,
        "demo",
        "start a Triton with three small models and the server",
        lambda _: run(()),
        shown=EXAMPLES,
    )


def run(arguments: Sequence[str]) -> NoReturn:
    """Become the demo. Raises CommandError where it is not there."""
    folder = demo_folder()
    if not (folder / "demo" / "__main__.py").is_file():
        raise CommandError(
            "the demo comes with the source code; start it there", code=EXIT_CONFIGURATION
        )
    environ = with_absolute_paths(os.environ)
    os.chdir(folder)
    command = [sys.executable, "-m", "demo", *arguments]
    # In place of this process, so that a signal to it reaches the demo.
    os.execve(command[0], command, environ)  # noqa: S606  # no shell
