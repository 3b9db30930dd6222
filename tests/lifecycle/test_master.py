"""What Ctrl-C means to gunicorn's master."""

from __future__ import annotations

import queue
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.lifecycle.master import Master
from app.lifecycle.service_folder import VARIABLE, ServiceFolder


@pytest.fixture
def server() -> Any:
    """As much of gunicorn's arbiter as is asked here."""
    return SimpleNamespace(
        master_pid=0,
        reexec_pid=0,
        handle_chld=lambda: None,
        log=SimpleNamespace(info=lambda *_: None),
        SIG_QUEUE=queue.SimpleQueue(),
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceFolder:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    # It is pytest's own.
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)
    return ServiceFolder(tmp_path)


def queued(server: Any) -> list[int]:
    return [server.SIG_QUEUE.get_nowait() for _ in range(server.SIG_QUEUE.qsize())]


def test_the_first_ends_the_server_in_order_and_the_second_at_once(
    server: Any, folder: ServiceFolder
) -> None:
    master = Master(server, drain_delay=0)
    master.interrupt()
    master.interrupt()
    assert queued(server) == [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("drain_delay", [0, 60])
def test_behind_sigterm_it_is_the_second(
    server: Any, folder: ServiceFolder, drain_delay: float
) -> None:
    master = Master(server, drain_delay)
    if drain_delay:
        master.terminate()
    else:
        with pytest.raises(StopIteration):
            master.terminate()
    assert folder.is_stopping
    master.interrupt()
    assert queued(server) == [signal.SIGINT]
