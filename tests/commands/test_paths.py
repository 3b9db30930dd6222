"""Relative paths of settings mean the folder in which the command was typed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.settings import PROJECT_ROOT, TABLE, Settings
from demo.ports import free_ports
from tests.applications import closed_port, standard_configuration, write_configuration

Started = Callable[..., Mapping[str, str]]
PATHS = {"API_KEYS_FILE": "keys.txt", "CL100K_FILE": "~/tables/cl100k"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's, which has a configuration and keys."""
    address = f"127.0.0.1:{closed_port()}"
    write_configuration(tmp_path, standard_configuration(address, address)).rename(
        tmp_path / "models.json"
    )
    (tmp_path / "keys.txt").write_text("sk-of-the-users-own-folder\n")
    return tmp_path


@pytest.fixture
def started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """What a command's successor gets as its environment; the working folder is its, too."""
    found: list[Mapping[str, str]] = []

    def become(_: str, __: Any, environ: Mapping[str, str]) -> None:
        found.append(environ)
        raise KeyboardInterrupt

    def run_it(*arguments: str, **environ: str) -> Mapping[str, str]:
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        assert main(arguments) == 130
        return found[-1]

    for row in TABLE:
        monkeypatch.delenv(row.env, raising=False)
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(os, "execve", become)
    return run_it


def test_the_workers_of_serve_read_the_files_that_were_checked(
    started: Started, folder: Path
) -> None:
    port = str(free_ports(1)[0])
    environ = started("serve", "--config-file", "models.json", "--port", port, **PATHS)
    assert Path.cwd() == PROJECT_ROOT
    settings = Settings.load(environ)
    assert settings.config_file == folder / "models.json"
    assert settings.api_keys_file == folder / "keys.txt"
    assert settings.cl100k_file == folder / "home/tables/cl100k"


def test_a_link_stays_one(started: Started, folder: Path) -> None:
    """What it leads to may be another file at the next reload."""
    (folder / "link.json").symlink_to("models.json")
    port = str(free_ports(1)[0])
    environ = started("serve", "--config-file", "link.json", "--port", port)
    assert environ["CONFIG_FILE"] == str(folder / "link.json")


def test_the_demos_server_reads_them_too(started: Started, folder: Path) -> None:
    settings = Settings.load(started("demo", **PATHS))
    assert settings.api_keys_file == folder / "keys.txt"
    assert settings.cl100k_file == folder / "home/tables/cl100k"
