"""One table of settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.settings import TABLE, Settings

# How a message names a setting that has a flag: --port (or PORT).
LABELS = {
    setting.env: f"{setting.flags[0]} (or {setting.env})" if setting.flags else setting.env
    for setting in TABLE
}


def test_every_setting_is_a_row_and_every_row_a_setting() -> None:
    assert [row.name for row in TABLE] == [field.name for field in dataclasses.fields(Settings)]


def test_names_variables_and_flags_are_used_once() -> None:
    flags = [flag for row in TABLE for flag in row.flags]
    for names in ([row.name for row in TABLE], [row.env for row in TABLE], flags):
        assert len(names) == len(set(names))


def test_every_row_says_what_it_is() -> None:
    assert all(row.help and row.env.isupper() for row in TABLE)


# The others have nothing where nothing is set.
WITH_DEFAULTS = [row for row in TABLE if row.default is not None]


@pytest.mark.parametrize("row", WITH_DEFAULTS, ids=lambda row: row.name)
def test_a_default_is_what_its_text_would_give(row: Any) -> None:
    assert row.cast(str(row.default)) == row.default
    assert type(row.cast(str(row.default))) is type(row.default)


def test_defaults() -> None:
    settings = Settings.load({})
    assert (settings.host, settings.port) == ("localhost", 5100)
    assert settings.response_role == "assistant"
    assert settings.max_body_bytes == 16 * 2**20
    assert settings.keep_alive_interval == 15
    assert settings.config_file.name == "model_config.json"


@pytest.mark.parametrize(
    ("variable", "text", "name", "expected"),
    [
        ("PORT", "1", "port", 1),
        ("PORT", "65535", "port", 65535),
        ("WORKERS", "7", "workers", 7),
        ("SERVER_LOG_LEVEL", "trace", "server_log_level", "debug"),
        ("SERVER_LOG_LEVEL", "WARNING", "server_log_level", "warning"),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("VERBOSE", "true", "is_verbose", True),
        ("VERBOSE", "1", "is_verbose", True),
        ("VERBOSE", "0", "is_verbose", False),
        ("VERBOSE", "", "is_verbose", False),
        ("RESPONSE_ROLE", "user", "response_role", "user"),
        ("KEEP_ALIVE_INTERVAL", "0.5", "keep_alive_interval", 0.5),
        ("MAX_BODY_BYTES", "1", "max_body_bytes", 1),
        ("CONFIG_FILE", "/a/b.json", "config_file", Path("/a/b.json")),
    ],
)
def test_casts(variable: str, text: str, name: str, expected: Any) -> None:
    assert getattr(Settings.load({variable: text}), name) == expected


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "5100.0"),
        ("PORT", "٣"),
        ("PORT", ""),
        ("PORT", "9" * 5000),
        ("WORKERS", "0"),
        ("WORKERS", "two"),
        ("SERVER_LOG_LEVEL", "loud"),
        ("LOG_LEVEL", "loud"),
        ("VERBOSE", "maybe"),
        ("KEEP_ALIVE_INTERVAL", "0"),
        ("KEEP_ALIVE_INTERVAL", "-1"),
        ("KEEP_ALIVE_INTERVAL", "nan"),
        ("KEEP_ALIVE_INTERVAL", "inf"),
        ("MAX_BODY_BYTES", "16MiB"),
        ("BIND_HOST", " "),
        ("CONFIG_FILE", ""),
    ],
)
def test_a_bad_value_is_told_with_its_flag_and_variable(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({variable: text})
    (problem,) = caught.value.problems
    assert problem.path == LABELS[variable]


def test_all_bad_values_are_told_at_once() -> None:
    bad = {"PORT": "x", "WORKERS": "x", "VERBOSE": "x", "LOG_LEVEL": "x"}
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(bad)
    assert {problem.path for problem in caught.value.problems} == {LABELS[name] for name in bad}
