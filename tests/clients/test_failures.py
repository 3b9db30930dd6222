"""What client libraries make of failures: how often they ask, and what they raise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.clients.failing import CLIENTS, command, results_of
from tests.clients.programs import started
from tests.clients.relay import Attempt, Relay, relay_to
from tests.faults.record import Case
from tests.live.http import Server
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedTriton

pytestmark = pytest.mark.case("E1", "Client libraries when the server refuses")

CASES: dict[str, dict[str, Any]] = {
    "overloaded": {"model": "held"},
    "overloaded-once": {"model": "held", "retries": 0},
    "away": {"model": "away"},
    "late": {"model": "late"},
    "bad": {"model": "bad"},
    "away-streamed": {"model": "away", "stream": True},
    "fails": {"model": "fails", "stream": True},
    "aborts": {"model": "aborts", "stream": True},
}
OPENAI_CASES: dict[str, dict[str, Any]] = {
    **CASES,
    "impatient": {"model": "silent", "timeout": 1, "retries": 0},
    "leaves": {"model": "story", "stream": True, "leaves": True},
    "raw": {"model": "good", "raw": True},
}
ASKED = {"openai-1": OPENAI_CASES, "current": OPENAI_CASES, "node": CASES, "langchain": CASES}


class Expected(NamedTuple):
    """A class of the exception, its status and code, and how often the client asks."""

    error: str
    status: int
    code: str
    num_attempts: int


REFUSED = {
    "overloaded": Expected("RateLimitError", 429, "model_overloaded", 3),
    "overloaded-once": Expected("RateLimitError", 429, "model_overloaded", 1),
    "away": Expected("InternalServerError", 503, "backend_unavailable", 3),
    "away-streamed": Expected("InternalServerError", 503, "backend_unavailable", 3),
    # The work has been done, or will fail again: asking again would only add to it.
    "late": Expected("InternalServerError", 504, "backend_timeout", 1),
    "bad": Expected("InternalServerError", 502, "backend_error", 1),
}
CUT = {"fails": "backend_error", "aborts": "backend_unavailable"}


@dataclass(frozen=True)
class Outcomes:
    """What each client got, by case, and what came by on the way."""

    results: Mapping[str, Any]
    relay: Relay

    def of(self, client: str, case: str) -> dict[str, Any]:
        result: dict[str, Any] = self.results[client][case]
        return result

    def attempts(self, client: str, case: str) -> list[Attempt]:
        return self.relay.attempts(f"{client}-{case}")


@pytest.fixture(scope="module")
def outcomes(failing_server: Server, failing_triton: ScriptedTriton) -> Iterator[Outcomes]:
    """Every program asks all of its cases at once, while somebody holds the places of `held`."""
    with ExitStack() as stack:
        relay = stack.enter_context(relay_to(failing_server.port))
        for program in ASKED:
            body = {"model": f"held-{program}", "prompt": "a"}
            stack.callback(failing_server.send("/v1/completions", body).close)
        wait_until(lambda: len(failing_triton.open_calls) == len(ASKED), "holding every place")
        commands = {name: command(name, relay.url, cases) for name, cases in ASKED.items()}
        with started(commands) as programs:
            results = results_of(programs)
        yield Outcomes(results, relay)
        wait_until(
            lambda: len(failing_triton.open_calls) == len(ASKED), "the end of what nobody waits for"
        )


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_typed_and_asked_again_as_often_as_it_helps(
    outcomes: Outcomes, client: str, case: str
) -> None:
    expected, got = REFUSED[case], outcomes.of(client, case)
    assert expected.error in got["errors"]
    assert (got["status"], got["code"]) == (expected.status, expected.code)
    assert got["request_id"] == f"{client}-{case}"
    attempts = outcomes.attempts(client, case)
    assert [each.status for each in attempts] == [expected.status] * expected.num_attempts


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", [name for name in REFUSED if REFUSED[name].num_attempts > 1])
def test_clients_wait_as_long_as_they_are_told(outcomes: Outcomes, client: str, case: str) -> None:
    attempts = outcomes.attempts(client, case)
    for refused, following in pairwise(attempts):
        assert refused.advice >= 1
        assert refused.answered is not None
        # Their own choice would be half a second for the first time.
        assert following.came - refused.answered > refused.advice - 0.05


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", CUT)
def test_a_stream_that_fails_raises_and_is_not_asked_again(
    outcomes: Outcomes, client: str, case: str
) -> None:
    got = outcomes.of(client, case)
    assert got["errors"][0] == "APIError"
    assert got["code"] == CUT[case]
    assert got["chunks"] > 0
    assert got["finish_reasons"] == []
    assert len(outcomes.attempts(client, case)) == 1


@pytest.mark.parametrize("client", [name for name in CLIENTS if name.endswith("sync")])
def test_leaving_and_giving_up(outcomes: Outcomes, client: str) -> None:
    assert outcomes.of(client, "impatient")["errors"][0] == "APITimeoutError"
    # A busy client's second may be over before it has sent anything.
    assert len(outcomes.attempts(client, "impatient")) <= 1
    left = outcomes.of(client, "leaves")
    assert (left["errors"], left["chunks"], left["finish_reasons"]) == ([], 1, [])
    assert outcomes.of(client, "raw") == {"status": 200, "request_id": f"{client}-raw"}


@pytest.mark.case("E1", "openai-python, openai-node and LangChain meet refusals")
def test_nobody_asks_more_often_than_it_helps(case: Case, outcomes: Outcomes) -> None:
    asked = [(client, name) for client in CLIENTS for name in REFUSED]
    case.injects("429, 502, 503 and 504 to clients that try three times", len(asked))
    wanted = sum(REFUSED[name].num_attempts for _, name in asked)
    case.exactly("attempts", sum(len(outcomes.attempts(*each)) for each in asked), wanted)
    untyped = [each for each in asked if REFUSED[each[1]].error not in outcomes.of(*each)["errors"]]
    case.exactly("errors of another class", len(untyped), 0)
