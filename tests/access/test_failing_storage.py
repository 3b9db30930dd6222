"""Limits while the storage that workers share fails."""

from __future__ import annotations

import threading
import time

import pytest
from limits.errors import StorageError
from limits.storage import MemoryStorage

from app.access.windows import RETRY_SECONDS, Windows
from tests.access.desk import Desk, own_records, refusal


class FailingStorage(MemoryStorage):
    """A shared storage that can be made to fail."""

    is_failing = False
    num_calls = 0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self._fail_if_told()
        return super().incr(key, expiry, amount)

    def get(self, key: str) -> int:
        self._fail_if_told()
        return super().get(key)

    def _fail_if_told(self) -> None:
        self.num_calls += 1
        if self.is_failing:
            raise StorageError(ConnectionError("redis is away"))


def test_limits_hold_while_the_shared_storage_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now)
    storage = FailingStorage()
    desk, other = Desk(Windows(storage)), Desk(Windows(storage))
    desk.begin(requests_per_minute=2)
    storage.is_failing = True
    desk.begin(requests_per_minute=2)
    desk.begin(requests_per_minute=2)
    refusal(lambda: desk.begin(requests_per_minute=2))
    # It was asked once, not by every request.
    assert storage.num_calls == 5
    storage.is_failing = False
    now += RETRY_SECONDS
    other.begin(requests_per_minute=2)
    refusal(lambda: desk.begin(requests_per_minute=2))
    told = [record.getMessage() for record in own_records(caplog)]
    assert told == [
        "RATE_LIMIT_STORAGE fails, so limits are counted in each process: 'redis is away'",
        "RATE_LIMIT_STORAGE answers again; limits are shared",
    ]


def test_a_storage_that_fails_on_is_told_once_and_tried_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now)
    storage = FailingStorage()
    storage.is_failing = True
    windows = Windows(storage)
    for tries in range(1, 5):
        for _ in range(10):
            windows.take("requests", "a", 100)
        assert storage.num_calls == tries
        now += RETRY_SECONDS
    assert windows.look("requests", "a", 100).left == 60
    assert len(own_records(caplog)) == 1


def test_while_one_request_tries_the_storage_again_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("app.access.windows.time.monotonic", lambda: now)
    storage = FailingStorage()
    storage.is_failing = True
    windows = Windows(storage)
    windows.take("requests", "a", 100)
    now += RETRY_SECONDS
    is_tried, may_answer = threading.Event(), threading.Event()

    def wait() -> None:
        is_tried.set()
        may_answer.wait(60)

    storage.is_failing = False
    monkeypatch.setattr(storage, "_fail_if_told", wait)
    thread = threading.Thread(target=windows.take, args=("requests", "a", 100))
    thread.start()
    assert is_tried.wait(60)
    assert windows.take("requests", "a", 100)[1].left == 98
    may_answer.set()
    thread.join()
    assert windows.look("requests", "a", 100).left == 99
