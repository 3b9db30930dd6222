"""The command line: `openai-api [serve] | demo | check-config`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from app.errors import ConfigurationError, Problem
from app.lifecycle.service_folder import VARIABLE, ServiceFolder, Snapshot
from app.settings import PROJECT_ROOT, TABLE, Setting, Settings
from app.version import VERSION

EXIT_CONFIGURATION = 2
TOP_LEVEL = ("-h", "--help", "--version")
GUNICORN_CONFIGURATION = PROJECT_ROOT / "gunicorn.conf.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code. `serve` does not return."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in TOP_LEVEL):
        given.insert(0, "serve")
    parser, serve = _parsers()
    if given[0] in ("-h", "--help"):
        # Without a command the options are those of `serve`, so both are told.
        print(parser.format_help() + "\n" + serve.format_help())
        return 0
    if given[0] == "demo":
        # The demo has its own options; see `openai-api demo --help`.
        _demo(given[1:])
    parsed = parser.parse_args(given)
    try:
        return int(parsed.run(parsed))
    except ConfigurationError as error:
        return _report(error)


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        prog="openai-api",
        description="The OpenAI API in front of Triton Inference Server.",
        epilog="Without a command the server is started: openai-api --port 5100",
    )
    parser.add_argument("--version", action="version", version=f"openai-api {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="start the server (the default)",
        epilog=_environment_only(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for setting in TABLE:
        if setting.flags:
            _add_flag(serve, setting)
    serve.set_defaults(run=_serve)
    commands.add_parser("demo", help="start a Triton with three small models and the server")
    check = commands.add_parser("check-config", help="check a configuration file")
    check.add_argument("file", type=Path, help="the file that lists the models")
    check.add_argument("--connect", action="store_true", help="ask every model's Triton, too")
    check.set_defaults(run=_check)
    return parser, serve


def _environment_only() -> str:
    rows = [setting for setting in TABLE if not setting.flags]
    lines = [f"  {row.env:<22}{row.help} (default: {_shown(row.default)})" for row in rows]
    return "\n".join(["environment only:", *lines])


def _add_flag(parser: argparse.ArgumentParser, setting: Setting) -> None:
    variable = f"{setting.help} (environment: {setting.env}; default: {_shown(setting.default)})"
    if isinstance(setting.default, bool):
        parser.add_argument(
            *setting.flags, dest=setting.name, action="store_const", const="true", help=variable
        )
    else:
        metavar = setting.flags[0].lstrip("-").upper().replace("-", "_")
        parser.add_argument(*setting.flags, dest=setting.name, metavar=metavar, help=variable)


def _shown(default: object) -> str:
    if isinstance(default, Path):
        return default.name
    return str(default).lower() if isinstance(default, bool) else str(default)


def _serve(parsed: argparse.Namespace) -> NoReturn:
    environ = dict(os.environ)
    for setting in TABLE:
        given = getattr(parsed, setting.name, None)
        if given is not None:
            environ[setting.env] = given
    settings = Settings.load(environ)
    if not GUNICORN_CONFIGURATION.is_file():
        print("openai-api: serve works from the source folder; install with -e", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
    # What is wrong is told here, and the workers get what was found to be right.
    snapshot = _checked_snapshot(settings)
    _check_address(settings)
    folder = ServiceFolder.create()
    folder.publish(snapshot)
    environ[VARIABLE] = str(folder.path)
    # A link stays one: what it leads to may be another file at the next reload.
    environ["CONFIG_FILE"] = os.path.abspath(
        Path(environ.get("CONFIG_FILE", settings.config_file)).expanduser()
    )
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

    return checked_snapshot(settings)


def _demo(arguments: Sequence[str]) -> NoReturn:
    if not (PROJECT_ROOT / "demo" / "__main__.py").is_file():
        print("openai-api: the demo comes with the source code; start it there", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
    os.chdir(PROJECT_ROOT)
    # In place of this process, so that a signal to it reaches the demo.
    os.execv(sys.executable, [sys.executable, "-m", "demo", *arguments])  # noqa: S606  # no shell


def _check(parsed: argparse.Namespace) -> int:
    from app.check_config import check

    environ = {**os.environ, "CONFIG_FILE": str(parsed.file)}
    return check(Settings.load(environ), connect=parsed.connect)


def _report(error: ConfigurationError) -> int:
    num = len(error.problems)
    print(f"openai-api: {num} problem{'s' if num > 1 else ''}:", file=sys.stderr)
    for problem in error.problems:
        print(f"  {problem}", file=sys.stderr)
    return EXIT_CONFIGURATION
