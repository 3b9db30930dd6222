"""A check of the configuration that never ends: a file system that hangs, a pipe for a file."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.lifecycle import master
from app.lifecycle.master import EXIT_APP_LOAD, Master
from app.lifecycle.service_folder import VARIABLE, ServiceFolder
from tests.applications import closed_port, standard_configuration, write_configuration
from tests.live.waiting import wait_until


@pytest.fixture
def errors() -> list[str]:
    """What gunicorn's log gets."""
    return []


@pytest.fixture
def found(tmp_path: Path, errors: list[str], monkeypatch: pytest.MonkeyPatch) -> Master:
    """A master whose check reads a key file into which nobody writes."""
    address = f"127.0.0.1:{closed_port()}"
    path = write_configuration(tmp_path, standard_configuration(address, address))
    pipe, folder = tmp_path / "keys", tmp_path / "service"
    os.mkfifo(pipe)
    folder.mkdir()
    for name, value in (("CONFIG_FILE", path), ("API_KEYS_FILE", pipe), (VARIABLE, folder)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(master, "CHECK_LIMIT", 1)
    # They are pytest's own.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    server: Any = SimpleNamespace(
        master_pid=0,
        handle_chld=lambda: None,
        log=SimpleNamespace(error=lambda form, *args: errors.append(form % args)),
        LISTENERS=[],
        START_CTX={},
    )
    return Master(server, drain_delay=0)


def test_at_the_start_it_is_ended_and_so_is_the_server(found: Master, errors: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        found.start()
    assert caught.value.code == EXIT_APP_LOAD
    assert len(errors) == 1
    assert "longer than 1 s" in errors[0]


def test_at_a_reload_it_is_ended_and_another_can_be_made(
    found: Master, errors: list[str], tmp_path: Path
) -> None:
    (ServiceFolder(tmp_path / "service").path / "snapshot.json").touch()
    found.start()
    for count in (1, 2):
        found._server.handle_hup()
        wait_until(lambda: not found._is_checking(), "the end of the check", 60)
        assert len(errors) == count
        assert "longer than 1 s" in errors[-1]
        assert "the configuration is as before" in errors[-1]
