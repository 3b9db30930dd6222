"""The steps of `openai-api add-model`."""

from __future__ import annotations

import argparse
import json
import os
import sys

from app.check_config import cause_of, model_lines
from app.commands.add_model.choices import Choices
from app.commands.add_model.configuration_file import ConfigurationFile
from app.commands.add_model.entry import NewModel
from app.commands.add_model.questions import Questions
from app.settings import IS_INSTALLED, Settings
from app.terminal.escapes import one_line, printable
from app.terminal.failures import EXIT_CONFIGURATION, CommandError
from app.terminal.styles import styled

NEXT = """Now let the server read it: send its first process SIGHUP (kill -HUP PID), which
cuts nothing off, or start it again."""


def add_model(parsed: argparse.Namespace) -> int:
    """Gives the exit code.

    Raises:
        CommandError: something is missing, or Triton cannot be asked or does not fit.
        ConfigurationError: mistakes in the file, or those there would be.
    """
    settings = _settings(parsed)
    file = ConfigurationFile(settings.config_file)
    questions = Questions(may_ask=sys.stdin.isatty() and not parsed.yes and not parsed.dry_run)
    model = Choices(parsed, questions, file).model()
    entries = model.entries()
    text = file.with_entries(entries)
    if parsed.dry_run or questions.may_ask:
        print(json.dumps({name: [entry] for name, entry in entries.items()}, indent=2))
    _check(file, text, model, settings, parsed)
    if parsed.dry_run:
        return 0
    _write(file, text, model, questions, parsed)
    return 0


def _settings(parsed: argparse.Namespace) -> Settings:
    environ = dict(os.environ)
    if parsed.config_file is not None:
        environ["CONFIG_FILE"] = str(parsed.config_file)
    if IS_INSTALLED and "CONFIG_FILE" not in environ:
        raise CommandError(
            "no configuration file is named, and the one that was installed is the demo's",
            advice="Name yours with --config-file; it is made if it is not there.",
            code=EXIT_CONFIGURATION,
        )
    return Settings.load(environ)


def _check(
    file: ConfigurationFile,
    text: str,
    model: NewModel,
    settings: Settings,
    parsed: argparse.Namespace,
) -> None:
    """What `check-config --connect` would say of the model."""
    served = file.model(text, model.name, settings)
    for line in model_lines(served):
        print(printable(line), file=sys.stderr)
    cause = cause_of(served)
    if cause is None:
        print(f"{one_line(model.name)}: {styled('ready', sys.stderr, 'green')}", file=sys.stderr)
    elif parsed.not_ready or parsed.dry_run:
        print(f"warning: {printable(cause)}", file=sys.stderr)
    else:
        raise CommandError(
            cause,
            advice="Nothing is written. --not-ready writes the entry all the same.",
        )


def _write(
    file: ConfigurationFile,
    text: str,
    model: NewModel,
    questions: Questions,
    parsed: argparse.Namespace,
) -> None:
    if not (questions.may_ask or parsed.yes):
        raise CommandError(
            "this is no terminal, so nobody can be asked whether to write",
            advice="Give --yes to write the entry, or --dry-run to see it.",
            code=EXIT_CONFIGURATION,
        )
    if not questions.confirm(f"Write this into {file.path}?"):
        raise CommandError("nothing is written")
    backup = file.replace(text)
    kept = f" What was there before is in {backup.name}." if backup else ""
    print(printable(f"{model.name} is in {file.path}.{kept}\n{NEXT}"))
