"""A worker that starts while the key file is broken: it has the keys that the others have."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from app.access.gate import Gate, open_gate
from app.access.key_file import INTERVAL
from app.errors import AuthenticationError, ConfigurationError
from app.lifecycle.service_folder import ServiceFolder
from app.settings import Settings
from tests.access.desk import own_records

GOOD = "sk-old name=web requests_per_minute=5 tokens_per_minute=none\nsk-other\n"
BROKEN = "sk-secret two words\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text(GOOD)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> ServiceFolder:
    path = tmp_path / "service"
    path.mkdir()
    return ServiceFolder(path)


def started(path: Path, folder: ServiceFolder | None) -> Gate:
    """The keys of a worker that starts now."""
    settings = {"API_KEYS_FILE": str(path), "KEY_TOKENS_PER_MINUTE": "70"}
    gate = open_gate(Settings.load(settings), folder)
    assert gate is not None
    return gate


def damage(path: Path, content: str | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_text(content)


@pytest.mark.parametrize("content", [BROKEN, None])
def test_the_last_good_keys_and_limits_count(
    path: Path, folder: ServiceFolder, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    before = started(path, folder)
    damage(path, content)
    after = started(path, folder)
    for key in ("sk-old", "sk-other"):
        assert after.identify(key) == before.identify(key)
    with pytest.raises(AuthenticationError):
        after.identify("sk-secret")
    (record,) = own_records(caplog)
    assert record.levelno == logging.ERROR
    assert "API_KEYS_FILE" in record.getMessage()
    assert "sk-" not in record.getMessage()


def test_a_change_that_a_worker_has_seen_is_kept(
    path: Path, folder: ServiceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    gate = started(path, folder)
    path.write_text("sk-new-0123456789\n")
    now[0] += INTERVAL
    gate.identify("sk-new-0123456789")
    path.write_text(BROKEN)
    after = started(path, folder)
    assert after.identify("sk-new-0123456789").name == "line-1"
    with pytest.raises(AuthenticationError):
        after.identify("sk-old")
    path.write_text(GOOD)
    now[0] += INTERVAL
    assert after.identify("sk-old").name == "web"


def test_they_are_kept_as_digests_and_for_nobody_else(path: Path, folder: ServiceFolder) -> None:
    started(path, folder)
    (kept,) = folder.path.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "sk-" not in kept.read_text()


@pytest.mark.parametrize("damaged", ["", "[[1]]", '[["00", "a", [1, 2, 3], 4]]', "{"])
def test_without_kept_keys_it_does_not_start(
    path: Path, folder: ServiceFolder, damaged: str
) -> None:
    path.write_text(BROKEN)
    with pytest.raises(ConfigurationError):
        started(path, None)
    with pytest.raises(ConfigurationError):
        started(path, folder)
    folder.keep_keys(damaged)
    with pytest.raises(ConfigurationError):
        started(path, folder)


def test_a_folder_that_is_full_or_gone_is_told_and_no_failure(
    path: Path, folder: ServiceFolder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.path.rmdir()
    assert started(path, folder).identify("sk-old").name == "web"
    (record,) = own_records(caplog)
    assert record.levelno == logging.WARNING
