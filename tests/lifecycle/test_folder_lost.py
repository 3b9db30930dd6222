"""A service folder that somebody has removed, and processes that cannot be started, in passing."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from app.lifecycle.master import Master
from app.lifecycle.service_folder import VARIABLE, ServiceFolder, Snapshot

SNAPSHOT = Snapshot(Path("/models.json"), {Path("/models.json"): "{}"})


@pytest.fixture
def errors() -> list[str]:
    """What gunicorn's log gets as errors."""
    return []


@pytest.fixture
def server(errors: list[str]) -> Any:
    """As much of gunicorn's arbiter as is asked here."""
    return SimpleNamespace(
        master_pid=0,
        reexec_pid=0,
        handle_chld=lambda: None,
        log=SimpleNamespace(
            info=lambda *_: None, error=lambda form, *args: errors.append(form % args)
        ),
        LISTENERS=[],
        START_CTX={},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceFolder:
    """One that has a snapshot already, so that nothing is checked at the start."""
    made = ServiceFolder(tmp_path / "service")
    made.path.mkdir(0o700)
    made.publish(SNAPSHOT)
    monkeypatch.setenv(VARIABLE, str(made.path))
    # They are pytest's own.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)
    return made


def started(server: Any, drain_delay: float = 0) -> Master:
    master = Master(server, drain_delay)
    master.start()
    return master


def lose(folder: ServiceFolder) -> None:
    """Put a file there, so that not even root can make the folder again."""
    shutil.rmtree(folder.path)
    folder.path.touch()


def test_a_new_worker_finds_it_as_it_was(server: Any, folder: ServiceFolder) -> None:
    master = started(server)
    shutil.rmtree(folder.path)
    master.keep_folder()
    assert folder.snapshot() == SNAPSHOT
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_snapshot_alone_comes_back_too(server: Any, folder: ServiceFolder) -> None:
    """A cleaner removes files by their age, and the workers' numbers are young."""
    master = started(server)
    (folder.path / "snapshot.json").unlink()
    master.keep_folder()
    assert folder.snapshot() == SNAPSHOT


def test_what_is_there_stays_as_it_is(server: Any, folder: ServiceFolder) -> None:
    master = started(server)
    edition = folder.edition()
    master.keep_folder()
    assert folder.edition() == edition


def test_the_workers_still_learn_that_the_service_stops(server: Any, folder: ServiceFolder) -> None:
    master = started(server)
    shutil.rmtree(folder.path)
    with pytest.raises(StopIteration):
        master.terminate()
    assert folder.is_stopping


@pytest.mark.parametrize("drain_delay", [0, 60])
def test_without_any_folder_the_service_still_stops_in_order(
    server: Any, folder: ServiceFolder, drain_delay: float, errors: list[str]
) -> None:
    master = started(server, drain_delay)
    lose(folder)
    if drain_delay:
        master.terminate()
    with pytest.raises(StopIteration):
        master.terminate()
    assert errors


def test_without_any_folder_a_worker_may_still_be_tried(
    server: Any, folder: ServiceFolder, errors: list[str]
) -> None:
    master = started(server)
    lose(folder)
    master.keep_folder()
    assert len(errors) == 1


def refused(*_: object, **__: object) -> NoReturn:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def test_a_check_that_cannot_be_started_changes_nothing(
    server: Any, folder: ServiceFolder, errors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(server)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_spawn", refused)
        server.handle_hup()
        server.handle_chld()
    assert len(errors) == 1
    assert "the configuration is as before" in errors[0]
    program = [("/bin/true", ["true"], {})]
    spawn = os.posix_spawn
    monkeypatch.setattr(os, "posix_spawn", lambda *_, **__: spawn(*program[0]))
    server.handle_hup()
    assert len(errors) == 1


def test_what_a_later_check_published_comes_back(
    server: Any, folder: ServiceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = started(server)
    new = Snapshot(Path("/new.json"), {})
    spawn = os.posix_spawn

    def publishing(*_: object, **__: object) -> int:
        folder.publish(new)
        return spawn("/bin/true", ["true"], {})

    monkeypatch.setattr(os, "posix_spawn", publishing)
    server.handle_hup()
    os.waitid(os.P_PID, master._checking or 0, os.WEXITED | os.WNOWAIT)
    server.handle_chld()
    shutil.rmtree(folder.path)
    master.keep_folder()
    assert folder.snapshot() == new
