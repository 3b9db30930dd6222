"""How many run and how many wait."""

from __future__ import annotations

import threading
import time

import pytest

from app.cancellation import Cancellation
from app.errors import ClientDisconnected, ModelOverloaded
from app.services.admission import Admission
from tests.live.waiting import LATE, wait_until


def enter(admission: Admission, cancellation: Cancellation | None = None) -> object:
    return admission.enter(cancellation or Cancellation())


def waiting(admission: Admission, cancellation: Cancellation) -> list[object]:
    """Enter in a thread; the list gets what came of it."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(admission.enter(cancellation))
        except Exception as error:  # the test looks at it
            outcome.append(error)

    num_waiting = admission.num_waiting
    threading.Thread(target=run, daemon=True).start()
    wait_until(lambda: admission.num_waiting > num_waiting or bool(outcome), "waiting")
    return outcome


def test_the_limit_is_admitted_and_one_more_is_refused_at_once() -> None:
    admission = Admission(3, 0, 60.0)
    for _ in range(3):
        enter(admission)
    start = time.monotonic()
    with pytest.raises(ModelOverloaded) as caught:
        enter(admission)
    assert time.monotonic() - start < LATE
    assert (caught.value.status, caught.value.retry_after) == (429, 1)


def test_a_full_queue_refuses_at_once() -> None:
    admission = Admission(1, 1, 60.0)
    enter(admission)
    waiting(admission, Cancellation())
    with pytest.raises(ModelOverloaded):
        enter(admission)


def test_waiting_takes_at_most_the_configured_time() -> None:
    admission = Admission(1, 1, 0.2)
    enter(admission)
    start = time.monotonic()
    with pytest.raises(ModelOverloaded):
        enter(admission)
    assert 0.15 < time.monotonic() - start < 0.2 + LATE
    assert admission.num_waiting == 0


def test_a_released_place_goes_to_one_who_waits() -> None:
    admission = Admission(1, 2, 60.0)
    place = admission.enter(Cancellation())
    first, second = (waiting(admission, Cancellation()) for _ in range(2))
    place.release()
    wait_until(lambda: len(first) + len(second) == 1, "one admission")
    time.sleep(0.05)
    assert len(first) + len(second) == 1
    assert (admission.num_inflight, admission.num_waiting) == (1, 1)


def test_releasing_twice_frees_one_place() -> None:
    admission = Admission(2, 0, 0.0)
    place = admission.enter(Cancellation())
    enter(admission)
    place.release()
    place.release()
    assert admission.num_inflight == 1


def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    admission = Admission(1, 5, 60.0)
    enter(admission)
    cancellation = Cancellation()
    outcome = waiting(admission, cancellation)
    cancellation.cancel()
    wait_until(lambda: bool(outcome), "leaving")
    assert isinstance(outcome[0], ClientDisconnected)
    assert (admission.num_inflight, admission.num_waiting) == (1, 0)


def test_who_was_cancelled_before_does_not_wait() -> None:
    admission = Admission(1, 5, 60.0)
    enter(admission)
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(ClientDisconnected):
        enter(admission, cancellation)


def test_who_was_cancelled_is_not_admitted_even_where_there_is_room() -> None:
    """Of a client that left while queued nothing is executed."""
    cancellation = Cancellation()
    cancellation.cancel()
    admission = Admission(1, 5, 60.0)
    with pytest.raises(ClientDisconnected):
        enter(admission, cancellation)
    assert admission.num_inflight == 0


def test_who_waits_behind_a_cancelled_one_is_admitted() -> None:
    admission = Admission(1, 5, 60.0)
    place = admission.enter(Cancellation())
    gone = Cancellation()
    first = waiting(admission, gone)
    second = waiting(admission, Cancellation())
    gone.cancel()
    wait_until(lambda: bool(first), "leaving")
    place.release()
    wait_until(lambda: bool(second), "admission")
    assert not isinstance(second[0], Exception)


def test_no_place_is_lost_under_load() -> None:
    admission = Admission(4, 100, 60.0)
    highest = []

    def work() -> None:
        for _ in range(25):
            place = admission.enter(Cancellation())
            highest.append(admission.num_inflight)
            place.release()

    workers = [threading.Thread(target=work) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (admission.num_inflight, admission.num_waiting) == (0, 0)
    assert max(highest) <= 4


def test_first_come_first_served() -> None:
    admission = Admission(1, 5, 60.0)
    place = admission.enter(Cancellation())
    outcomes = []
    for _ in range(4):
        outcomes.append(waiting(admission, Cancellation()))
    for expected in range(4):
        place.release()
        wait_until(lambda: bool(outcomes[expected]), "admission")  # noqa: B023  # called at once
        assert [bool(outcome) for outcome in outcomes] == [n <= expected for n in range(4)]
        (place,) = outcomes[expected]


def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    admission = Admission(1, 5, 60.0)
    place = admission.enter(Cancellation())
    first = waiting(admission, Cancellation())
    second = waiting(admission, Cancellation())
    place.release()
    wait_until(lambda: bool(first), "admission")
    assert not second
    third = waiting(admission, Cancellation())
    first[0].release()
    wait_until(lambda: bool(second), "admission")
    assert not third
