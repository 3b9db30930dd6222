"""The table of settings as flags and help, in groups of what they are about."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.settings import TABLE, Setting
from app.terminal.help_pages import Parser

# The first group with a beginning that the setting's name has; the last takes every other.
GROUPS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("network", ("host", "port", "metrics_bind", "worker_connections", "keep_alive")),
    ("models", ("config_file", "response_role", "cl100k", "grpc_client")),
    ("keys and their limits", ("api_keys", "key_", "rate_limit")),
    ("logging and tracing", ("server_log", "log_", "is_verbose", "trac")),
    ("limits of requests", ("max_", "body_")),
    ("processes, start and end", ("worker", "graceful", "drain")),
    ("pages and metrics", ("has_", "cors_")),
    ("more", ("",)),
)
WIDTH = 78
COLUMN = 4


def group_of(setting: Setting) -> str:
    """The heading under which it is told."""
    return next(title for title, names in GROUPS if setting.name.startswith(names))


def add_setting_flags(parser: Parser) -> None:
    """One flag for each setting that has any, under the headings."""
    for title, settings in _grouped([row for row in TABLE if row.flags]):
        group = parser.add_argument_group(title)
        for setting in settings:
            _add_flag(group, setting)


def environment_only() -> str:
    """The settings without a flag, under the same headings."""
    parts = ["environment only:"]
    for title, settings in _grouped([row for row in TABLE if not row.flags]):
        parts.append(f"\n  {title}")
        parts += map(_variable, settings)
    return "\n".join(parts)


def _grouped(settings: Sequence[Setting]) -> Iterator[tuple[str, list[Setting]]]:
    for title, _ in GROUPS:
        found = [setting for setting in settings if group_of(setting) == title]
        if found:
            yield title, found


def _variable(setting: Setting) -> str:
    text = f"{setting.help} (default: {_shown(setting.default)})"
    indent = " " * (COLUMN + 4)
    lines = textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return f"{' ' * COLUMN}{setting.env}\n{lines}"


def _add_flag(group: object, setting: Setting) -> None:
    told = f"{setting.help} (environment: {setting.env}; default: {_shown(setting.default)})"
    add = group.add_argument  # type: ignore[attr-defined]  # argparse names its groups privately
    if isinstance(setting.default, bool):
        add(*setting.flags, dest=setting.name, action="store_const", const="true", help=told)
    else:
        metavar = setting.flags[0].lstrip("-").upper().replace("-", "_")
        add(*setting.flags, dest=setting.name, metavar=metavar, help=told)


def _shown(default: object) -> str:
    if default is None:
        return "not set"
    if isinstance(default, Path):
        return default.name
    return str(default).lower() if isinstance(default, bool) else str(default)
