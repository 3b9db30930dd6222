"""What a worker does when a step of its life fails in passing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.lifecycle import worker
from app.lifecycle.service_folder import ServiceFolder, Snapshot
from app.lifecycle.worker import Lifecycle
from tests.live.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[ServiceFolder]:
    made = ServiceFolder.create()
    made.publish(Snapshot(Path("old"), {}))
    yield made
    made.remove()


def watching(folder: ServiceFolder, reload: Callable[[], None]) -> Lifecycle:
    lifecycle = Lifecycle(folder, 10, reload=reload, end_requests=lambda: None)
    lifecycle.watch()
    return lifecycle


def test_a_reload_that_fails_in_passing_is_made_again(
    folder: ServiceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.1)
    read: list[Path] = []

    def reload() -> None:
        read.append(folder.snapshot().path)
        if len(read) == 1:
            raise RuntimeError("can't start new thread")

    watching(folder, reload)
    folder.publish(Snapshot(Path("new"), {}))
    wait_until(lambda: len(read) == 2, "the second attempt")
    # One that succeeds is not made again.
    folder.publish(Snapshot(Path("third"), {}))
    wait_until(lambda: read[-1] == Path("third"), "the next reload")
    assert read == [Path("new"), Path("new"), Path("third")]


def test_a_look_that_fails_is_not_the_last(
    folder: ServiceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.1)
    looks: list[bool] = []
    read: list[Path] = []
    edition = folder.edition

    def failing() -> tuple[int, int] | None:
        looks.append(True)
        if len(looks) == 2:
            raise PermissionError
        return edition()

    # Of this folder alone: those who watch other tests' folders look on.
    monkeypatch.setattr(folder, "edition", failing)
    watching(folder, lambda: read.append(folder.snapshot().path))
    wait_until(lambda: len(looks) > 2, "the look behind the failing one")
    folder.publish(Snapshot(Path("new"), {}))
    wait_until(lambda: read == [Path("new")], "the reload")


def test_a_worker_starts_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Only what is told of a reload would be another."""
    folder = ServiceFolder(tmp_path / "gone")
    lifecycle = Lifecycle(folder, 10, reload=lambda: None, end_requests=lambda: None)
    lifecycle.note_served()
