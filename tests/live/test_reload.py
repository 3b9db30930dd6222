"""SIGHUP: another configuration without another process, or the old one if it is broken."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO
from demo.triton import TritonServer
from tests.live.entries import PATIENT
from tests.live.http import Server
from tests.live.services import Service, service
from tests.live.test_generation import COMPLETIONS, completion
from tests.live.waiting import wait_until

CHAT_FOLDER = DEMO / "models/demo-chat"
PROMPT = "Once upon a time"
NUM_WORKERS = 2
PAUSE = 0.15

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes the configuration with these language models, each with keys of its own."""
    base = tmp_path_factory.mktemp("reload")

    def written(**models: dict[str, Any]) -> Path:
        path = base / "models.json"
        entries = [{**_entry(tritonserver, name), **keys} for name, keys in models.items()]
        path.write_text(json.dumps({"llm": entries}))
        return path

    return written


def _entry(triton: TritonServer, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "url": triton.grpc_url,
        "path": str(CHAT_FOLDER),
        "triton_model": "ft-slow" if name in ("slow", "second") else "demo-chat",
        "cancel": "rpc",
        "timeouts": PATIENT,
    }


@pytest.fixture(scope="module")
def running(write: Write, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("reload-log") / "log"
    with service(write(slow={}, first={}), log, GRACEFUL_TIMEOUT="10") as found:
        yield found


def reload(running: Service) -> None:
    """Send SIGHUP and wait until every worker has the new configuration."""
    before = running.logged("reloaded: ")
    running.signal(signal.SIGHUP)
    wait_until(lambda: running.logged("reloaded: ") >= before + NUM_WORKERS, "the reload")


def served(server: Server) -> list[str]:
    return [model["id"] for model in server.get("/v1/models").json()["data"]]


@contextmanager
def load(server: Server, model: str) -> Iterator[list[int]]:
    """Two clients that ask `model` again and again; gives the statuses of the answers."""
    statuses: list[int] = []
    has_ended = threading.Event()

    def ask() -> None:
        while not has_ended.is_set():
            body = completion(PROMPT, model=model, max_tokens=3)
            statuses.append(server.post(COMPLETIONS, body).status)
            # What checks the configuration stands behind those that serve.
            has_ended.wait(PAUSE)

    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(ask) for _ in range(2)]
        try:
            yield statuses
        finally:
            has_ended.set()
    for client in clients:
        client.result()


@contextmanager
def streams(server: Server, model: str) -> Iterator[list[str | None]]:
    """Streams of 2 s of `model`, one after another, of which the first has begun.

    Gives how they end, None for not at all.
    """
    body = completion(PROMPT, model=model, max_tokens=40)
    reasons: list[str | None] = []
    has_begun, has_ended = threading.Event(), threading.Event()

    def stream() -> None:
        while not has_ended.is_set():
            with server.stream(COMPLETIONS, body) as found:
                is_there = found.response.status == 200
                has_begun.set()
                reasons.append(_reason(list(found.lines())) if is_there else None)
            has_ended.wait(PAUSE)

    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(stream)
        try:
            assert has_begun.wait(60)
            yield reasons
        finally:
            has_ended.set()
    client.result()


def _reason(lines: list[str]) -> str:
    assert lines[-1] == "data: [DONE]", lines[-1]
    return str(json.loads(lines[-2].removeprefix("data: "))["choices"][0]["finish_reason"])


def test_models_come_change_and_go_while_others_are_used(running: Service, write: Write) -> None:
    server, workers = running.server, running.workers()
    assert len(workers) == NUM_WORKERS
    with load(server, "first") as statuses, streams(server, "slow") as reasons:
        write(slow={}, first={}, second={})
        reload(running)
        assert served(server) == ["slow", "first", "second"]
        assert (
            server.post(COMPLETIONS, completion(PROMPT, model="second", max_tokens=1)).status == 200
        )
    with load(server, "first") as more, streams(server, "second") as others:
        write(first={"max_inflight": 200}, third={"triton_model": "no-such-model"})
        reload(running)
        for name, status in (("second", 404), ("slow", 404), ("third", 503)):
            assert server.post(COMPLETIONS, completion(PROMPT, model=name)).status == status
    assert set(statuses) == set(more) == {200}
    # What has begun goes on, also with a model that is gone; what begins then is told.
    assert set(reasons) == {"length"}
    assert others[0] == "length"
    assert set(others) <= {"length", None}
    assert running.workers() == workers


def test_a_broken_file_changes_nothing(running: Service, write: Write) -> None:
    before = served(running.server)
    with load(running.server, "first") as statuses:
        path = write(first={"path": "/nowhere"})
        refused(running)
        path.write_text('{"llm": [')
        refused(running)
        path.unlink()
        refused(running)
    assert set(statuses) == {200}
    assert served(running.server) == before
    assert "Traceback" not in running.server.log_text()


def refused(running: Service) -> None:
    """Send SIGHUP and wait until the configuration was found to be broken."""
    told = "the configuration is not reloaded"
    before = running.logged(told)
    running.signal(signal.SIGHUP)
    wait_until(lambda: running.logged(told) > before, "the refusal")


def test_a_worker_that_dies_comes_back_with_the_last_good_configuration(
    running: Service, write: Write
) -> None:
    before, workers = served(running.server), running.workers()
    write(first={}).write_text("broken")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(running.workers() - workers) == NUM_WORKERS, "the respawn")
    assert served(running.server) == before
    assert running.server.post(COMPLETIONS, completion(PROMPT, model="first")).status == 200


def test_of_two_reloads_at_once_the_later_one_counts(running: Service, write: Write) -> None:
    write(first={}, earlier={})
    running.signal(signal.SIGHUP)
    write(first={}, later={})
    running.signal(signal.SIGHUP)
    wait_until(
        lambda: all(served(running.server) == ["first", "later"] for _ in range(8)),
        "the later one",
    )


def test_more_and_fewer_workers_lose_no_call(running: Service) -> None:
    with load(running.server, "first") as statuses:
        running.signal(signal.SIGTTIN)
        wait_until(lambda: len(running.workers()) == NUM_WORKERS + 1, "one more")
        running.signal(signal.SIGTTOU)
        wait_until(lambda: len(running.workers()) == NUM_WORKERS, "one fewer")
        num_answers = len(statuses)
        wait_until(lambda: len(statuses) > num_answers + 2, "more answers")
    assert set(statuses) == {200}
