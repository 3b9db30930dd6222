"""SIGTERM while the check at the start is being started."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.lifecycle.master import Master
from app.lifecycle.service_folder import VARIABLE


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """pytest's own, which the master replaces."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_it_leaves_neither_the_folder_nor_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder))
    spawn, started = os.posix_spawn, []

    def interrupted(*_: object, **given: Any) -> int:
        mask = {key: given[key] for key in ("setsigmask",) if key in given}
        started.append(spawn("/bin/sleep", ["sleep", "600"], {}, **mask))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        return started[0]

    monkeypatch.setattr(os, "posix_spawn", interrupted)
    server: Any = SimpleNamespace(master_pid=0, handle_chld=lambda: None, LISTENERS=[])
    with pytest.raises(SystemExit) as caught:
        Master(server, drain_delay=0).start()
    # Of two signals SIGTERM ends it, unless it never got it or holds it back.
    os.kill(started[0], signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(started[0], 0)[1]) == signal.SIGTERM
    assert caught.value.code == 0
    assert not folder.exists()
