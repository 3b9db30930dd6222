"""`openai-api serve`: check the configuration, then become gunicorn."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from app.commands.command import add_command
from app.commands.setting_flags import add_setting_flags, environment_only
from app.commands.setting_paths import with_absolute_paths
from app.errors import ConfigurationError, Problem
from app.lifecycle.service_folder import VARIABLE, ServiceFolder, Snapshot
from app.settings import PROJECT_ROOT, TABLE, Settings
from app.terminal.help_pages import Parser

if TYPE_CHECKING:
    from app.commands.command import Commands

GUNICORN_CONFIGURATION = PROJECT_ROOT / "gunicorn.conf.py"
DEFAULT_CONFIGURATION = PROJECT_ROOT / "model_config.json"
NO_FILE_NAMED = Problem(
    "--config-file",
    "none was named, so this is the demo's configuration; name yours, or start the demo with its"
    " models: openai-api demo",
)
EXAMPLES = (
    ("on port 5100 of this machine, with the models of model_config.json", "openai-api"),
    (
        "for other machines, with a file of yours",
        "openai-api serve --host 0.0.0.0 --config-file /etc/openai_api/models.json",
    ),
    ("only for those who have the key", "API_KEYS=secret openai-api --port 8080"),
)


def add_to(commands: Commands) -> Parser:
    """Its arguments: every setting that has a flag."""
    parser = add_command(
        commands,
        "serve",
        "start the server (the default)",
        _serve,
        description="Start the server: gunicorn with gevent workers. Each setting can also be"
        " given in the environment; a flag wins.",
        shown=EXAMPLES,
        more=environment_only(),
    )
    add_setting_flags(parser)
    return parser


def _serve(parsed: argparse.Namespace) -> NoReturn:
    environ = dict(os.environ)
    for setting in TABLE:
        given = getattr(parsed, setting.name, None)
        if given is not None:
            environ[setting.env] = given
    settings = Settings.load(environ)
    # What is wrong is told here, and the workers get what was found to be right.
    snapshot = _checked_snapshot(settings)
    _check_address(settings)
    folder = ServiceFolder.create()
    folder.publish(snapshot)
    environ[VARIABLE] = str(folder.path)
    environ = with_absolute_paths(environ)
    command = [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONFIGURATION)]
    # Python looks for `app` and `wsgi` in the working folder first.
    os.chdir(PROJECT_ROOT)
    sys.stdout.flush()
    # A new process, because gevent must patch before any of the libraries loaded here is.
    os.execve(command[0], [*command, "wsgi:app"], environ)  # noqa: S606  # no shell


def _check_address(settings: Settings) -> None:
    """Raises ConfigurationError where gunicorn would try five times and then say less."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family):
            return
    except OSError as error:
        reason = f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}"
    raise ConfigurationError([Problem("--host and --port", reason)])


def _checked_snapshot(settings: Settings) -> Snapshot:
    from app.publish_config import checked_snapshot

    try:
        return checked_snapshot(settings)
    except ConfigurationError as error:
        if settings.config_file != DEFAULT_CONFIGURATION:
            raise
        raise ConfigurationError([*error.problems, NO_FILE_NAMED]) from None
