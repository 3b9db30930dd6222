"""What client libraries make of a stream whose Triton, or whose worker, is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from demo.variants import Variant, write_variant
from tests.applications import write_configuration
from tests.clients.failing import (
    CLIENTS,
    PATIENT,
    PROGRAMS,
    command,
    configuration,
    play,
    results_of,
)
from tests.clients.programs import Program, started
from tests.clients.relay import Relay, relay_to
from tests.faults.record import Case
from tests.live.http import Server
from tests.live.servers import running
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedTriton

pytestmark = pytest.mark.case("E1", "Client libraries when a stream is cut")

CASES: dict[str, dict[str, Any]] = {
    "triton-killed": {"model": "real", "stream": True},
    "worker-killed": {"model": "story", "stream": True},
}
# The older library and Node's let through what their HTTP library raises.
CONNECTION_ERRORS = {
    "openai-1-sync": "RemoteProtocolError",
    "openai-1-async": "RemoteProtocolError",
    "current-sync": "APIConnectionError",
    "current-async": "APIConnectionError",
    "node": "TypeError",
    "langchain": "APIConnectionError",
}
# Slow enough to outlast the start of every program: 900 tokens take 225 s.
SLOWER = Variant("ft-slower", parameters={"callback_step": "1", "token_delay_ms": "250"})


def real_model(name: str, triton: TritonServer) -> dict[str, Any]:
    path = str(DEMO / "models" / "demo-chat")
    entry = {"name": name, "triton_model": SLOWER.name, "url": triton.grpc_url, "path": path}
    return {**entry, "timeouts": PATIENT}


@pytest.fixture(scope="module")
def triton(demo_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Triton with one slow model, to be killed."""
    folder = tmp_path_factory.mktemp("killed")
    write_variant(folder, SLOWER)
    server = TritonServer([folder], *free_ports(3))
    with server:
        yield server


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedTriton]:
    triton = ScriptedTriton()
    triton.script = play
    yield triton
    triton.stop()


@pytest.fixture(scope="module")
def server(
    triton: TritonServer, scripted: ScriptedTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The application with one worker, in front of both Tritons."""
    folder = tmp_path_factory.mktemp("cut")
    content = configuration(scripted, list(PROGRAMS))
    content["llm"] += [real_model(f"real-{program}", triton) for program in PROGRAMS]
    path = write_configuration(folder, content)
    with running("gunicorn", path, folder / "log") as server:
        yield server


@pytest.fixture(scope="module")
def relay(server: Server) -> Iterator[Relay]:
    with relay_to(server.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def results(server: Server, relay: Relay, triton: TritonServer) -> dict[str, Any]:
    """What each client got when first Triton was killed and then the worker."""
    commands = {name: command(name, relay.url, CASES) for name in PROGRAMS}
    with started(commands) as programs:
        wait_for_each(programs, "streaming", len(CASES))
        triton.kill()
        wait_for_each(programs, "ended", 1)
        os.kill(worker_of(server), signal.SIGKILL)
        return results_of(programs)


def wait_for_each(programs: dict[str, Program], word: str, count: int) -> None:
    for name, program in programs.items():
        program.wait_for(word, PROGRAMS[name] * count)


def worker_of(server: Server) -> int:
    """The process id of the only worker."""
    (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_killed_triton_is_an_error_of_the_api(
    results: dict[str, Any], relay: Relay, client: str
) -> None:
    got = results[client]["triton-killed"]
    assert got["errors"][0] == "APIError"
    assert got["code"] == "backend_unavailable"
    assert_cut(got)
    assert len(relay.attempts(f"{client}-triton-killed")) == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_killed_worker_is_an_error_of_the_connection(
    results: dict[str, Any], relay: Relay, client: str
) -> None:
    got = results[client]["worker-killed"]
    assert CONNECTION_ERRORS[client] in got["errors"]
    assert_cut(got)
    assert len(relay.attempts(f"{client}-worker-killed")) == 1


def test_the_next_worker_serves_and_nothing_is_left_of_the_last(
    results: dict[str, Any], server: Server, scripted: ScriptedTriton
) -> None:
    wait_until(lambda: not scripted.open_calls, "the end of the dead worker's calls")
    wait_until(lambda: is_served(server), "an answer of the next worker")


@pytest.mark.case("E1", "streams are cut before openai-python, openai-node and LangChain")
def test_nobody_takes_a_cut_stream_for_a_whole_answer(case: Case, results: dict[str, Any]) -> None:
    case.injects("kill -9 of Triton, then of the worker, under streams of every client", 2)
    ends = [results[client][name] for client in CLIENTS for name in CASES]
    case.exactly("streams that were cut", len(ends), len(CLIENTS) * len(CASES))
    silent = [end for end in ends if not end["errors"] or end["finish_reasons"]]
    case.exactly("streams that ended as if they were complete", len(silent), 0)


def is_served(server: Server) -> bool:
    with suppress(OSError, HTTPException):
        body = {"model": "good-current", "prompt": "a"}
        return server.post("/v1/completions", body).status == 200
    return False


def assert_cut(got: dict[str, Any]) -> None:
    """It has begun, and does not look as if it were complete."""
    assert got["chunks"] > 0
    assert got["finish_reasons"] == []
