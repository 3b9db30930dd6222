"""When a Triton is left alone, and when it is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ApiError
from app.triton.errors import not_ready, unavailable
from app.triton.replicas.breaker import MAX_PAUSE, ORDINARY, Breaker, Entry


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def begun(breaker: Breaker) -> Entry:
    entry = breaker.begin()
    assert entry is not None
    return entry


def fail(breaker: Breaker, *, is_definite: bool = False) -> None:
    breaker.failed(begun(breaker), unavailable("gone"), is_definite=is_definite)


def succeed(breaker: Breaker) -> None:
    breaker.succeeded(begun(breaker))


def opened(breaker: Breaker) -> Breaker:
    fail(breaker, is_definite=True)
    assert breaker.error is not None
    return breaker


def test_five_failures_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(4):
        fail(breaker)
    assert breaker.allows()
    assert breaker.is_suspect
    fail(breaker)
    assert breaker.begin() is None
    assert breaker.error is not None
    assert breaker.error.detail == "gone"


def test_a_success_between_them_starts_the_count_again(breaker: Breaker) -> None:
    for _ in range(4):
        fail(breaker)
    succeed(breaker)
    assert not breaker.is_suspect
    for _ in range(4):
        fail(breaker)
    assert breaker.allows()


def test_half_of_twenty_calls_within_ten_seconds_open_it(breaker: Breaker, clock: Clock) -> None:
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    assert breaker.allows()
    clock.now += 5
    succeed(breaker)
    fail(breaker)
    assert not breaker.allows()


def test_what_is_older_than_ten_seconds_does_not_count(breaker: Breaker, clock: Clock) -> None:
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    clock.now += 11
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    assert breaker.allows()


def test_a_definite_failure_opens_it_at_once(breaker: Breaker) -> None:
    fail(breaker, is_definite=True)
    assert not breaker.allows()


def test_after_the_pause_there_is_one_trial(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1
    trial = begun(breaker)
    assert trial.is_trial
    assert breaker.begin() is None
    breaker.succeeded(trial)
    assert breaker.error is None
    assert begun(breaker) is ORDINARY


def test_the_first_answer_of_a_trial_closes_it(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1
    breaker.answered(begun(breaker))
    assert breaker.error is None


def test_a_trial_that_is_called_off_makes_room_for_another(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1
    breaker.abandoned(begun(breaker))
    assert breaker.error is not None
    assert begun(breaker).is_trial


def test_a_trial_without_an_answer_does_not_hold_everyone_out(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    clock.now += 1
    assert begun(breaker).is_trial
    clock.now += 4.9
    assert breaker.begin() is None
    clock.now += 0.1
    assert begun(breaker).is_trial


def test_a_trial_of_an_earlier_opening_changes_nothing(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1
    late = [begun(breaker)]
    for _ in range(3):
        clock.now += 5
        late.append(begun(breaker))
    clock.now += 5
    breaker.answered(begun(breaker))
    opened(breaker)
    breaker.failed(late[0], unavailable("late"), is_definite=True)
    breaker.succeeded(late[1])
    breaker.answered(late[2])
    breaker.abandoned(late[3])
    assert breaker.error is not None
    assert breaker.error.detail == "gone"
    assert breaker.remaining == 1


def test_a_trial_that_is_called_off_late_makes_no_room_for_a_third(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    clock.now += 1
    first = begun(breaker)
    clock.now += 5
    begun(breaker)
    breaker.abandoned(first)
    assert not breaker.allows()


def test_a_slow_trial_counts_though_another_was_begun(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1
    first = begun(breaker)
    clock.now += 5
    begun(breaker)
    breaker.answered(first)
    assert breaker.error is None


def test_each_failed_trial_doubles_the_pause(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    pauses = []
    for _ in range(7):
        pauses.append(breaker.remaining)
        clock.now += breaker.remaining
        fail(breaker)
    assert pauses == [1, 2, 4, 8, 16, MAX_PAUSE, MAX_PAUSE]


def test_after_it_was_closed_the_pause_is_short_again(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1
    fail(breaker)
    clock.now += 2
    succeed(breaker)
    opened(breaker)
    assert breaker.remaining == 1


def test_calls_from_before_it_opened_change_nothing(breaker: Breaker, clock: Clock) -> None:
    earlier = [begun(breaker) for _ in range(2)]
    opened(breaker)
    breaker.succeeded(earlier[0])
    breaker.failed(earlier[1], unavailable("gone"), is_definite=True)
    assert breaker.error is not None
    assert breaker.remaining == 1


def test_while_probes_fail_there_is_no_trial(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    breaker.probed(is_ready=False)
    clock.now += 100
    assert breaker.begin() is None


def test_a_probe_that_succeeds_after_one_that_failed_ends_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    for _ in range(6):
        clock.now += breaker.remaining
        fail(breaker)
    assert breaker.remaining == MAX_PAUSE
    breaker.probed(is_ready=False)
    breaker.probed(is_ready=True)
    assert [breaker.begin() for _ in range(3)] == [ORDINARY] * 3


def test_a_trial_that_fails_hides_no_failed_probe(breaker: Breaker, clock: Clock) -> None:
    """As one that waits in silence until its connection is reset, while probes fail already."""
    opened(breaker)
    clock.now += 1
    trial = begun(breaker)
    breaker.probed(is_ready=False)
    breaker.failed(trial, unavailable("reset"), is_definite=False)
    assert breaker.begin() is None
    breaker.probed(is_ready=True)
    assert breaker.error is None


def test_a_triton_that_always_says_ready_is_not_believed(breaker: Breaker) -> None:
    """As one does whose model's process is dead."""
    opened(breaker)
    for _ in range(3):
        breaker.probed(is_ready=True)
    assert breaker.begin() is None


def test_probes_of_one_that_works_change_nothing(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.probed(is_ready=False)
    assert begun(breaker) is ORDINARY


def test_a_failure_and_two_failed_probes_open_it(breaker: Breaker) -> None:
    fail(breaker)
    breaker.probed(is_ready=False)
    assert breaker.allows()
    breaker.probed(is_ready=False)
    assert breaker.begin() is None
    breaker.probed(is_ready=True)
    assert begun(breaker) is ORDINARY


def test_what_opened_it_is_known_for_half_a_minute(breaker: Breaker, clock: Clock) -> None:
    assert opened(breaker).known_error is not None
    breaker.probed(is_ready=True)
    clock.now += 29
    assert breaker.known_error is not None
    clock.now += 1
    assert breaker.known_error is None
    fail(breaker)
    assert breaker.known_error is not None


def test_what_opened_it_is_forgotten_when_a_probe_shows_that_it_is_over(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    breaker.probed(is_ready=False)
    clock.now += 100
    assert breaker.known_error is not None
    breaker.probed(is_ready=True)
    assert breaker.known_error is None


def test_one_that_has_failed_is_suspect_for_a_while(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    assert breaker.is_suspect
    clock.now += 5
    assert not breaker.is_suspect


def test_a_probe_that_succeeds_ends_the_suspicion(breaker: Breaker) -> None:
    fail(breaker)
    breaker.probed(is_ready=True)
    assert not breaker.is_suspect


STEPS = st.lists(
    st.tuples(st.sampled_from(["ok", "fail", "definite", "leave", "up", "down"]), st.floats(0, 3)),
    max_size=80,
)


@given(STEPS)
def test_never_more_than_one_trial_and_never_for_ever(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    error: ApiError = not_ready("m")
    for step, pause in steps:
        clock.now += pause
        if step in ("up", "down"):
            breaker.probed(is_ready=step == "up")
            continue
        entry = breaker.begin()
        if entry is None:
            assert breaker.error is not None
            continue
        if entry.is_trial:
            assert breaker.begin() is None
        if step == "ok":
            breaker.succeeded(entry)
            assert breaker.error is None
        elif step == "leave":
            breaker.abandoned(entry)
        else:
            breaker.failed(entry, error, is_definite=step == "definite")
    assert breaker.remaining <= MAX_PAUSE
    breaker.probed(is_ready=True)
    clock.now += MAX_PAUSE
    assert breaker.allows()
