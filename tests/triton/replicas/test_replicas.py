"""Which Triton is asked, which is asked instead, and what is said when there is none."""

from __future__ import annotations

import copy
import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from app.errors import ApiError, BackendModelMissing, ClientDisconnected, ModelOverloaded
from app.triton.address import Address
from app.triton.errors import (
    broken_connection,
    broken_contract,
    classify,
    not_ready,
    silent,
    timed_out,
    unavailable,
    unreached,
)
from app.triton.replicas import Lease, Replicas, Sites, breaker
from app.triton.replicas import replicas as module
from tests.live.waiting import wait_until

ONE = ("127.0.0.1:1",)
TWO = ("127.0.0.1:1", "127.0.0.1:2")
THREE = (*TWO, "127.0.0.1:3")


class Triton:
    """What a connection would be: `errors` are raised one after another, then it answers."""

    def __init__(self, address: Address) -> None:
        self.name = address.host_and_port.rpartition(":")[2]
        self.errors: list[ApiError] = []
        self.always: ApiError | None = None
        self.refusal: ApiError | None = None
        self.num_calls = 0
        self.num_probes = 0

    def answer(self) -> str:
        self.num_calls += 1
        if self.errors:
            raise self.errors.pop(0)
        if self.always is not None:
            raise copy.copy(self.always)
        return self.name

    def probe(self) -> None:
        self.num_probes += 1
        if self.refusal is not None:
            raise copy.copy(self.refusal)


class Fleet:
    """Replicas of such Tritons."""

    def __init__(self, urls: tuple[str, ...], name: str = "m") -> None:
        sites = Sites(Triton)
        self.tritons = [sites.connection(Address.parse(url)) for url in urls]
        self.replicas = Replicas(name, urls, sites, Triton.probe)

    def ask(self, *, repeats_broken: bool = False) -> str:
        answer, lease = self.replicas.attempt(
            lambda lease: lease.connection.answer(), repeats_broken=repeats_broken
        )
        lease.succeeded()
        lease.close()
        return answer

    def failure(self, *, repeats_broken: bool = False) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.ask(repeats_broken=repeats_broken)
        return caught.value

    @property
    def num_calls(self) -> list[int]:
        return [triton.num_calls for triton in self.tritons]


@pytest.fixture(autouse=True)
def _long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is left alone stays so, however slow the machine is."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 60.0)


@pytest.fixture
def two() -> Fleet:
    return Fleet(TWO)


def test_as_good_ones_take_turns() -> None:
    fleet = Fleet(THREE)
    assert Counter(fleet.ask() for _ in range(9)) == {"1": 3, "2": 3, "3": 3}


def test_the_least_busy_is_asked(two: Fleet) -> None:
    held: list[Lease[Triton]] = []
    for _ in range(6):
        _, lease = two.replicas.attempt(lambda lease: lease.connection.answer())
        held.append(lease)
    assert two.num_calls == [3, 3]
    for lease in held:
        if lease.connection is two.tritons[1]:
            lease.close()
    assert [two.ask() for _ in range(3)] == ["2", "2", "2"]


def test_closing_twice_gives_back_once(two: Fleet) -> None:
    _, lease = two.replicas.attempt(lambda lease: lease.connection.answer())
    lease.close()
    lease.close()
    assert lease.replica.num_outstanding == 0


@pytest.mark.parametrize(
    "error",
    [
        unreached("refused"),
        not_ready("m"),
        classify(None, "Exceeds maximum queue size"),
        classify("UNAVAILABLE", "Server exiting"),
        classify("NOT_FOUND", "Request for unknown model: 'm' is not found"),
        classify(None, "Stub process 'llm_0_0' is not healthy."),
    ],
    ids=repr,
)
def test_another_is_asked_where_nothing_can_have_begun(two: Fleet, error: ApiError) -> None:
    two.tritons[0].always = error if error.has_not_begun else not_ready("m")
    assert [two.ask() for _ in range(4)] == ["2"] * 4


@pytest.mark.parametrize(
    "error",
    [
        unavailable("Socket closed"),
        timed_out("late"),
        silent("nothing"),
        broken_contract("NaN"),
        classify("INTERNAL", "boom"),
        ClientDisconnected("gone"),
    ],
    ids=repr,
)
def test_what_may_have_begun_is_not_repeated(two: Fleet, error: ApiError) -> None:
    for triton in two.tritons:
        triton.errors = [error]
    assert two.failure(repeats_broken=True) is error
    assert sum(two.num_calls) == 1


def test_there_is_one_repetition_only() -> None:
    fleet = Fleet(THREE)
    for triton in fleet.tritons:
        triton.errors = [unreached("refused")]
    assert fleet.failure().code == "backend_unavailable"
    assert sum(fleet.num_calls) == 2


def test_a_single_triton_is_not_asked_twice() -> None:
    fleet = Fleet(ONE)
    fleet.tritons[0].errors = [unreached("refused")]
    assert fleet.failure().detail == "refused"
    assert fleet.num_calls == [1]


def test_a_broken_connection_is_tried_again_where_that_is_harmless() -> None:
    fleet = Fleet(ONE)
    fleet.tritons[0].errors = [broken_connection("reset")]
    assert fleet.ask(repeats_broken=True) == "1"
    fleet.tritons[0].errors = [broken_connection("reset")]
    assert fleet.failure().detail == "reset"


def test_a_broken_connection_is_tried_again_on_another_first(two: Fleet) -> None:
    for triton in two.tritons:
        triton.errors = [broken_connection("reset")]
    two.tritons[1].errors = []
    assert two.ask(repeats_broken=True) == "2"


def test_in_an_outage_hardly_anything_is_repeated(two: Fleet) -> None:
    for triton in two.tritons:
        # Busy, which leaves nobody alone.
        triton.always = classify(None, "Exceeds maximum queue size")
    for _ in range(300):
        assert isinstance(two.failure(), ModelOverloaded)
    assert sum(two.num_calls) <= 300 * 1.1 + 10


def test_one_that_is_dead_costs_no_request(two: Fleet) -> None:
    two.tritons[0].always = two.tritons[0].refusal = unreached("refused")
    assert {two.ask() for _ in range(200)} == {"2"}
    assert two.tritons[0].num_calls <= 5


def test_when_all_are_left_alone_nobody_is_asked(two: Fleet) -> None:
    for triton in two.tritons:
        triton.always = triton.refusal = not_ready("m")
    two.failure()
    asked = sum(two.num_calls)
    error = two.failure()
    assert sum(two.num_calls) == asked
    assert error.code == "backend_unavailable"
    assert error.retry_after is not None
    assert 1 <= error.retry_after <= 30


def test_a_missing_model_is_called_missing_while_it_is_left_alone() -> None:
    fleet = Fleet(ONE)
    fleet.tritons[0].always = classify("NOT_FOUND", "Request for unknown model: 'm' is not found")
    fleet.tritons[0].refusal = not_ready("m")
    for _ in range(3):
        assert isinstance(fleet.failure(), BackendModelMissing)
    assert fleet.num_calls == [1]


def test_a_silent_one_is_called_unavailable_while_it_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A second probe that fails would leave it alone before the fifth call.
    monkeypatch.setattr(module, "PROBE_INTERVAL", 60.0)
    fleet = Fleet(ONE)
    fleet.tritons[0].always = silent("nothing for 3 s")
    fleet.tritons[0].refusal = silent("no answer")
    assert [fleet.failure().status for _ in range(7)] == [504] * 5 + [503] * 2


def test_it_is_asked_again_soon_after_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_INTERVAL", 0.01)
    fleet = Fleet(ONE)
    triton = fleet.tritons[0]
    triton.always = triton.refusal = not_ready("m")
    fleet.failure()
    wait_until(lambda: triton.num_probes > 3, "probes")
    assert triton.num_calls == 1
    triton.always = triton.refusal = None
    wait_until(lambda: answers(fleet), "an answer")
    probed = triton.num_probes
    time.sleep(0.1)
    assert triton.num_probes <= probed + 1


def answers(fleet: Fleet) -> bool:
    try:
        return fleet.ask() == "1"
    except ApiError:
        return False


def test_one_that_says_ready_and_fails_is_tried_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_INTERVAL", 0.01)
    fleet = Fleet(ONE)
    triton = fleet.tritons[0]
    triton.always = classify(None, "Stub process 'm_0_0' is not healthy.")
    fleet.failure()
    wait_until(lambda: triton.num_probes > 5, "probes")
    fleet.failure()
    assert triton.num_calls == 1
    assert not fleet.replicas.states()[0].is_ready


def test_probing_ends_with_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_INTERVAL", 0.01)
    fleet = Fleet(ONE)
    triton = fleet.tritons[0]
    triton.always = triton.refusal = not_ready("m")
    fleet.failure()
    reference = weakref.ref(fleet.replicas)
    del fleet
    # The error that was raised refers to the frames of the call.
    gc.collect()
    wait_until(lambda: reference() is None, "the end of the probes")


def test_states_are_asked_for_once_a_second(two: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long the fifty take.
    monkeypatch.setattr(module, "ASKING_INTERVAL", 60.0)
    two.tritons[1].refusal = not_ready("m")
    for _ in range(50):
        assert [state.is_ready for state in two.replicas.states()] == [True, False]
    assert [triton.num_probes for triton in two.tritons] == [1, 1]
    monkeypatch.setattr(module, "ASKING_INTERVAL", 0.0)
    two.replicas.states()
    assert [triton.num_probes for triton in two.tritons] == [2, 2]


def run_together(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_at_once_leave_nothing_behind() -> None:
    fleet = Fleet(THREE)
    fleet.tritons[0].always = fleet.tritons[0].refusal = not_ready("m")
    answers: list[str] = []

    def work() -> None:
        for _ in range(50):
            answers.append(fleet.ask())

    run_together(16, work)
    assert len(answers) == 800
    assert set(answers) == {"2", "3"}
    assert all(replica.num_outstanding == 0 for replica in fleet.replicas._current())


@pytest.mark.parametrize("has_answered", [False, True])
def test_our_own_deadline_says_nothing_of_triton(has_answered: bool) -> None:
    fleet = Fleet(ONE)
    fleet.tritons[0].always = not_ready("m")
    fleet.failure()
    breaker = fleet.replicas._current()[0].breaker
    # The pause is over.
    breaker._retry_at = 0
    fleet.tritons[0].always = None
    _, lease = fleet.replicas.attempt(lambda lease: lease.connection.answer())
    if has_answered:
        lease.answered()
    fleet.replicas.failed(lease, timed_out("the request's own time is over"))
    lease.close()
    assert (breaker.error is None) is has_answered


def test_failures_between_deadlines_of_ours_are_in_a_row() -> None:
    fleet = Fleet(ONE)
    fleet.tritons[0].errors = [silent("nothing"), timed_out("late")] * 5
    for _ in range(9):
        fleet.failure()
    assert fleet.replicas._current()[0].breaker.error is not None


def test_a_call_that_nobody_waits_for_is_no_trial_any_more() -> None:
    fleet = Fleet(ONE)
    fleet.tritons[0].always = not_ready("m")
    fleet.failure()
    breaker = fleet.replicas._current()[0].breaker
    # The pause is over.
    breaker._retry_at = 0
    fleet.tritons[0].always = None
    _, lease = fleet.replicas.attempt(lambda lease: lease.connection.answer())
    assert not breaker.allows()
    lease.abandoned()
    assert breaker.allows()
    assert lease.replica.num_outstanding == 1


def test_where_there_is_no_other_nothing_is_spent() -> None:
    fleet = Fleet(ONE)
    for _ in range(50):
        fleet.tritons[0].errors = [classify(None, "Exceeds maximum queue size")]
        fleet.failure(repeats_broken=True)
    fleet.tritons[0].errors = [broken_connection("reset")]
    assert fleet.ask(repeats_broken=True) == "1"


def test_the_metrics_forget_a_model_that_is_served_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Fleets of other tests may be probed still, and tell of themselves.
    name = "forgotten"
    told: list[str] = []

    def tell(model: str, _: int, state: str) -> None:
        if model == name:
            told.append(state)

    monkeypatch.setattr(module, "PROBE_INTERVAL", 0.01)
    monkeypatch.setattr(module.metrics, "breaker_changed", tell)
    fleet = Fleet(ONE, name)
    fleet.tritons[0].always = fleet.tritons[0].refusal = not_ready(name)
    fleet.failure()
    wait_until(lambda: "open" in told, "the open breaker")
    del fleet

    def is_closed() -> bool:
        gc.collect()
        return told[-1] == "closed"

    wait_until(is_closed, "the closed breaker")
