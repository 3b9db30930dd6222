"""What a key may use in a minute and at once: reliability 2.1."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.errors import StorageError
from limits.storage import MemoryStorage

from app.access.keys import ApiKey, Limits
from app.access.leases import Lease, Places, duration
from app.access.windows import RETRY_SECONDS, Windows
from app.errors import RateLimitExceeded
from app.tally import Tally


@dataclass(frozen=True)
class Choice:
    num_tokens: int


class Desk:
    """Gives leases of keys that have the same places and windows."""

    def __init__(self, windows: Windows | None = None) -> None:
        self.places = Places()
        self.windows = windows or Windows()

    def begin(self, digest: bytes = b"a" * 32, **limits: int) -> Lease:
        lease = Lease(ApiKey(digest, "name", Limits(**limits)), self.places, self.windows)
        try:
            lease.begin()
        except RateLimitExceeded:
            # As at the end of a request that was refused.
            lease.end(Tally())
            raise
        return lease


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr("time.time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refusal(begin: Callable[[], object]) -> RateLimitExceeded:
    with pytest.raises(RateLimitExceeded) as caught:
        begin()
    return caught.value


def test_requests_of_a_minute(desk: Desk, clock: Clock) -> None:
    for left in (1, 0):
        lease = desk.begin(requests_per_minute=2)
        assert dict(lease.headers(Tally())) == {
            "x-ratelimit-limit-requests": "2",
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": "1m0s",
        }
        lease.end(Tally())
    clock.now += 20.5
    error = refusal(lambda: desk.begin(requests_per_minute=2))
    assert error.retry_after == 40
    assert "2 requests per minute" in error.message
    clock.now += 39.6
    desk.begin(requests_per_minute=2)


def test_tokens_are_paid_when_the_answer_is_closed(desk: Desk, clock: Clock) -> None:
    first, second = (desk.begin(tokens_per_minute=10) for _ in range(2))
    first.end(Tally(4, [Choice(1), Choice(2)]))
    assert dict(desk.begin(tokens_per_minute=10).headers(Tally())) == {
        "x-ratelimit-limit-tokens": "10",
        "x-ratelimit-remaining-tokens": "3",
        "x-ratelimit-reset-tokens": "1m0s",
    }
    second.end(Tally(90, [Choice(10)]))
    error = refusal(lambda: desk.begin(tokens_per_minute=10))
    assert "10 tokens per minute" in error.message
    assert error.retry_after == 60
    clock.now += 60.1
    desk.begin(tokens_per_minute=10)


def test_what_an_answer_has_used_is_in_its_own_headers(desk: Desk) -> None:
    lease = desk.begin(tokens_per_minute=10)
    headers = dict(lease.headers(Tally(3, [Choice(4)])))
    assert headers["x-ratelimit-remaining-tokens"] == "3"
    headers = dict(lease.headers(Tally(30)))
    assert headers["x-ratelimit-remaining-tokens"] == "0"


def test_places_are_given_back_once(desk: Desk) -> None:
    first = desk.begin(concurrent_requests=2)
    second = desk.begin(concurrent_requests=2)
    for _ in range(3):
        error = refusal(lambda: desk.begin(concurrent_requests=2))
        assert error.retry_after == 1
        assert "2 requests at once" in error.message
    first.end(Tally())
    first.end(Tally())
    third = desk.begin(concurrent_requests=2)
    refusal(lambda: desk.begin(concurrent_requests=2))
    second.end(Tally())
    third.end(Tally())
    assert not desk.places._taken


def test_tokens_are_paid_once(desk: Desk) -> None:
    lease = desk.begin(tokens_per_minute=10)
    lease.end(Tally(6))
    lease.end(Tally(6))
    desk.begin(tokens_per_minute=10)


def test_a_key_does_not_use_what_another_may(desk: Desk) -> None:
    limits = {"requests_per_minute": 1, "tokens_per_minute": 1, "concurrent_requests": 1}
    desk.begin(b"a" * 32, **limits)
    refusal(lambda: desk.begin(b"a" * 32, **limits))
    # A key that begins like the other.
    desk.begin(b"a" * 31 + b"b", **limits)


def test_who_waits_for_a_place_or_for_tokens_uses_no_request(desk: Desk, clock: Clock) -> None:
    limits = {"requests_per_minute": 2, "tokens_per_minute": 5, "concurrent_requests": 1}
    lease = desk.begin(**limits)
    for _ in range(5):
        refusal(lambda: desk.begin(**limits))
    lease.end(Tally(5))
    for _ in range(5):
        assert "tokens" in refusal(lambda: desk.begin(**limits)).message
    # The place is free, or the error would name it.
    clock.now += 61
    desk.begin(**limits).end(Tally())
    desk.begin(**limits).end(Tally())
    assert "2 requests per minute" in refusal(lambda: desk.begin(**limits)).message


def test_a_key_without_limits_has_no_headers(desk: Desk) -> None:
    lease = desk.begin()
    lease.end(Tally(10**9))
    assert list(desk.begin().headers(Tally())) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.01, "1s"), (59.0, "59s"), (59.1, "1m0s"), (360, "6m0s")]
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.integers(1, 8), st.lists(st.booleans(), max_size=40))
def test_there_are_never_more_places_than_the_limit(limit: int, steps: list[bool]) -> None:
    desk, leases = Desk(), []
    for is_arrival in steps:
        if not is_arrival and leases:
            leases.pop().end(Tally())
        elif len(leases) < limit:
            leases.append(desk.begin(concurrent_requests=limit))
        else:
            refusal(lambda: desk.begin(concurrent_requests=limit))


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(number: int, work: Callable[[], None]) -> None:
    """Call `work` in so many threads that begin at once."""
    start = threading.Barrier(number)

    def run() -> None:
        start.wait()
        work()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_get_no_more_than_the_limits(restless: None) -> None:
    for _ in range(20):
        desk, granted, most, lock = Desk(), [0], [0], threading.Lock()
        limits = {"requests_per_minute": 40, "concurrent_requests": 3}

        def work(desk=desk, granted=granted, most=most, lock=lock, limits=limits) -> None:  # type: ignore[no-untyped-def]
            for _ in range(20):
                try:
                    lease = desk.begin(**limits)
                except RateLimitExceeded:
                    continue
                with lock:
                    granted[0] += 1
                    most[0] = max(most[0], desk.places._taken[b"a" * 32])
                lease.end(Tally())

        together(8, work)
        assert granted == [40]
        assert most[0] <= 3
        assert not desk.places._taken


def test_threads_pay_every_token(restless: None) -> None:
    """Also when they all begin a window at once, where MemoryStorage by itself loses some."""
    for _ in range(100):
        windows = Windows()
        together(8, lambda windows=windows: windows.take("tokens", "a", 1000, 10))  # type: ignore[misc]
        assert windows.look("tokens", "a", 1000).left == 920


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
    told = [record.getMessage() for record in caplog.records]
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
    assert len(caplog.records) == 1


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
        may_answer.wait(10)

    storage.is_failing = False
    monkeypatch.setattr(storage, "_fail_if_told", wait)
    thread = threading.Thread(target=windows.take, args=("requests", "a", 100))
    thread.start()
    assert is_tried.wait(10)
    assert windows.take("requests", "a", 100)[1].left == 98
    may_answer.set()
    thread.join()
    assert windows.look("requests", "a", 100).left == 99
