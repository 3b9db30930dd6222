"""What a key may use in a minute and at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.leases import duration
from app.access.windows import Windows
from app.errors import RateLimitExceeded
from app.tally import Tally
from tests.access.desk import Desk, refusal


@dataclass(frozen=True)
class Choice:
    num_tokens: int


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
            while True:
                try:
                    lease = desk.begin(**limits)
                except RateLimitExceeded as error:
                    if "per minute" in error.message:
                        return
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
