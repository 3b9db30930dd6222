"""Rotation without a restart."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NoReturn

import pytest

from app.access.gate import open_gate
from app.access.key_file import INTERVAL, MAX_BYTES, KeyFile
from app.access.keys import Limits, find_key
from app.errors import AuthenticationError, ConfigurationError
from app.settings import Settings
from tests.access.desk import own_records


class Clock:
    """The monotonic clock, which stands until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def pass_interval(self) -> None:
        self.now += INTERVAL


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text("sk-old\nsk-both\n")
    return path


@pytest.fixture
def file(path: Path, clock: Clock) -> KeyFile:
    return KeyFile(path, Limits())


def accepted(file: KeyFile) -> set[str]:
    keys = file.keys()
    return {text for text in ("sk-old", "sk-both", "sk-new") if find_key(keys, text.encode())}


def replace(path: Path, text: str) -> None:
    """As an editor or Kubernetes does it: another file takes the place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def test_a_change_is_seen_after_a_second(file: KeyFile, path: Path, clock: Clock) -> None:
    assert accepted(file) == {"sk-old", "sk-both"}
    path.write_text("sk-both\nsk-new\n")
    assert accepted(file) == {"sk-old", "sk-both"}
    clock.pass_interval()
    assert accepted(file) == {"sk-both", "sk-new"}


def test_another_file_of_the_same_size_and_time_is_seen(
    file: KeyFile, path: Path, clock: Clock
) -> None:
    stat = path.stat()
    replace(path, "sk-new\nsk-both\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    clock.pass_interval()
    assert accepted(file) == {"sk-both", "sk-new"}


def test_a_link_to_another_file_is_seen(path: Path, clock: Clock, tmp_path: Path) -> None:
    link, new = tmp_path / "link", tmp_path / "new"
    link.symlink_to(path)
    file = KeyFile(link, Limits())
    new.write_text("sk-new\n")
    link.unlink()
    link.symlink_to(new)
    clock.pass_interval()
    assert accepted(file) == {"sk-new"}


def test_a_secret_of_kubernetes_is_seen_to_change(tmp_path: Path, clock: Clock) -> None:
    """The file is a link through `..data`, which from then on leads to another folder."""
    for folder, text in (("..1", "sk-old\n"), ("..2", "sk-new\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys").write_text(text)
    data, link = tmp_path / "..data", tmp_path / "keys"
    data.symlink_to("..1")
    link.symlink_to("..data/keys")
    gate = open_gate(Settings.load({"API_KEYS_FILE": str(link)}))
    assert gate is not None
    assert gate.identify("sk-old").name == "line-1"
    data.unlink()
    data.symlink_to("..2")
    (tmp_path / "..1" / "keys").unlink()
    clock.pass_interval()
    assert gate.identify("sk-new").name == "line-1"
    with pytest.raises(AuthenticationError):
        gate.identify("sk-old")


@pytest.mark.parametrize("broken", ["sk-new two words\n", "\xff", "", None])
def test_a_broken_file_is_told_once_and_changes_nothing(
    file: KeyFile,
    path: Path,
    clock: Clock,
    broken: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if broken is None:
        path.unlink()
    elif broken:
        path.write_bytes(broken.encode("latin-1"))
    else:
        path.write_bytes(b"x" * (MAX_BYTES + 1))
    for _ in range(3):
        clock.pass_interval()
        assert accepted(file) == {"sk-old", "sk-both"}
    (record,) = own_records(caplog)
    assert record.levelno == logging.ERROR
    assert "the keys stay as they were" in record.getMessage()
    assert "sk-" not in record.getMessage()
    path.write_text("sk-new\n")
    clock.pass_interval()
    assert accepted(file) == {"sk-new"}


def test_a_reading_that_fails_in_passing_is_made_again(
    file: KeyFile, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("sk-new\n")
    clock.pass_interval()

    def refused(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("app.offload.run", refused)
        with pytest.raises(RuntimeError):
            file.keys()
        # The others do not pay for it.
        assert accepted(file) == {"sk-old", "sk-both"}
    clock.pass_interval()
    assert accepted(file) == {"sk-new"}


def test_without_any_key_nobody_is_let_in(file: KeyFile, path: Path, clock: Clock) -> None:
    path.write_text("# none\n")
    clock.pass_interval()
    assert accepted(file) == set()


def test_the_file_is_looked_at_once_a_second(
    file: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    stat = os.stat
    monkeypatch.setattr("os.stat", lambda path: looks.append(path) or stat(path))
    for _ in range(100):
        file.keys()
    assert looks == []
    clock.pass_interval()
    for _ in range(100):
        file.keys()
    assert len(looks) == 1


def test_while_one_request_reads_the_others_go_on(
    file: KeyFile, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("sk-new\n")
    clock.pass_interval()
    meanwhile: list[set[str]] = []
    read = path.open

    def slow(*args: object) -> object:
        meanwhile.append(accepted(file))
        return read(*args)

    monkeypatch.setattr("pathlib.Path.open", lambda _, *args: slow(*args))
    assert accepted(file) == {"sk-new"}
    assert meanwhile == [{"sk-old", "sk-both"}]


@pytest.mark.parametrize("content", ["sk-a\nsk-a\n", None])
def test_a_broken_file_at_the_start_is_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "keys.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        KeyFile(path, Limits())
    assert "keys.txt" in str(caught.value)
    assert "sk-a" not in str(caught.value)
