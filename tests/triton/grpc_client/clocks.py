"""The time of a channel or of its connections, as a test wants it."""

from __future__ import annotations

import time
from types import ModuleType, SimpleNamespace

import pytest


class Clock:
    """The monotonic clock of these modules; it stands still unless the test moves it."""

    def __init__(
        self, module: ModuleType, monkeypatch: pytest.MonkeyPatch, *others: ModuleType
    ) -> None:
        self.now = time.monotonic()
        patched = SimpleNamespace(monotonic=lambda: self.now, sleep=time.sleep)
        for each in (module, *others):
            monkeypatch.setattr(each, "time", patched)
