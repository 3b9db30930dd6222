"""A file that is replaced whole: whose it is then, who may read it, what is left behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.add_model.configuration_file import ConfigurationFile
from app.terminal.failures import CommandError

BEFORE, AFTER = '{"llm": []}\n', '{"llm": [], "rerank": []}\n'
SERVICE = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "models.json"
    path.write_text(BEFORE)
    return path


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_both_files_are_there(path: Path) -> None:
    backup = ConfigurationFile(path).replace(AFTER)
    assert backup is not None
    assert (path.read_text(), backup.read_text()) == (AFTER, BEFORE)
    assert sorted(os.listdir(path.parent)) == ["models.json", "models.json.bak"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_stay(path: Path) -> None:
    """What root writes is still for the service to read."""
    os.chown(path, SERVICE, SERVICE)
    path.chmod(0o640)
    backup = ConfigurationFile(path).replace(AFTER)
    assert backup is not None
    for each in (path, backup):
        assert (each.stat().st_uid, each.stat().st_gid, mode(each)) == (SERVICE, SERVICE, 0o640)


def test_where_no_file_may_be_given_away_it_is_written_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    ConfigurationFile(path).replace(AFTER)
    assert path.read_text() == AFTER


@pytest.mark.usefixtures("_umask")
def test_a_new_file_has_the_mode_that_the_user_gives_new_files(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    assert ConfigurationFile(path).replace(AFTER) is None
    assert mode(path) == 0o640


def test_a_secret_backup_is_nobody_elses_to_read_even_for_a_moment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.chmod(0o600)
    old = path.with_name("models.json.bak")
    old.write_text("older")
    old.chmod(0o644)
    seen: list[int] = []

    def note(descriptor: int) -> None:
        found = os.fstat(descriptor)
        seen.append(stat.S_IMODE(found.st_mode))

    # When it is called, the content is in the file.
    monkeypatch.setattr(os, "fsync", note)
    ConfigurationFile(path).replace(AFTER)
    assert seen == [0o600, 0o600]
    assert (mode(path), mode(old)) == (0o600, 0o600)


def test_a_file_of_others_is_not_removed(path: Path) -> None:
    foreign = path.with_name(f".{path.name}.{os.getpid()}")
    foreign.write_text("foreign")
    ConfigurationFile(path).replace(AFTER)
    assert foreign.read_text() == "foreign"


def test_what_cannot_be_encoded_leaves_nothing_behind(path: Path) -> None:
    """The path of a folder may be any bytes."""
    with pytest.raises(CommandError, match="UTF-8"):
        ConfigurationFile(path).replace('{"llm": [], "rerank": ["\udcff"]}')
    assert path.read_text() == BEFORE
    assert os.listdir(path.parent) == ["models.json"]


def test_a_disk_that_is_full_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CommandError, match="No space left"):
        ConfigurationFile(path).replace(AFTER)
    assert path.read_text() == BEFORE
    assert os.listdir(path.parent) == ["models.json"]
