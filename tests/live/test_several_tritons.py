"""Models on two real Tritons, of which one is killed, frozen and started again under load."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from app.observability.metrics import BREAKER_STATES
from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.fixtures import START_SECONDS, started
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.live.test_generation import CHAT, chat
from tests.live.waiting import LATE, wait_until
from tests.observability.samples import Samples

EMBED = {"model": "all-minilm-l6-v2", "input": "hello"}
TIMEOUTS = {"connect": 2, "first_token": 5, "between_tokens": 5, "total": 120}
# Far above what a restart takes, where the bar is 2 seconds after Triton is ready, and below the
# pauses of a breaker that nobody probes.
BACK_WITHIN = LATE
NUM_CLIENTS = 4
PAUSE = 0.15


@pytest.fixture(scope="module")
def failing(demo_environment: None) -> Iterator[TritonServer]:
    """The one of the two that is killed and frozen."""
    with started(TritonServer([DEMO / "repository"], *free_ports(3))) as server:
        yield server
        # Nobody waits for what it still has to do.
        server.kill()


@pytest.fixture(scope="module")
def gateway(
    failing: TritonServer, tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    tritons = failing, tritonserver
    folder = tmp_path_factory.mktemp("several")
    models = DEMO / "models"
    content: dict[str, Any] = {
        "llm": [
            {
                "name": "demo-chat",
                "url": [triton.grpc_url for triton in tritons],
                "path": str(models / "demo-chat"),
                "timeouts": TIMEOUTS,
            }
        ],
        "embedding": [
            {
                "name": "all-minilm-l6-v2",
                "url": [triton.http_url for triton in tritons],
                "path": str(models / "all-minilm-l6-v2"),
                "timeouts": TIMEOUTS,
            }
        ],
    }
    path = write_configuration(folder / "models.json", content)
    with running("gunicorn", path, folder / "log") as server:
        yield server


class Load:
    """Short chats and embeddings, one after another, until the block ends."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stopped = threading.Event()
        asked = ((CHAT, chat("hi", max_tokens=2)), ("/v1/embeddings", EMBED))
        self._threads = [
            threading.Thread(target=self._ask, args=(number, *asked[number % len(asked)]))
            for number in range(NUM_CLIENTS)
        ]
        self._num_answers = [0] * NUM_CLIENTS
        self.statuses: Counter[int] = Counter()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int, path: str, body: Any) -> None:
        while not self._stopped.wait(PAUSE):
            self.statuses[self._server.post(path, body).status] += 1
            self._num_answers[number] += 1

    def more(self, count: int) -> None:
        """Wait for so many further answers."""
        reached = self.statuses.total() + count
        wait_until(lambda: self.statuses.total() >= reached, "further answers")

    def each(self) -> None:
        """Wait until no client has a request under way that it has already."""
        before = list(self._num_answers)
        wait_until(
            lambda: all(now > then for now, then in zip(self._num_answers, before, strict=True)),
            "an answer of each",
        )


def states(server: Server) -> list[int]:
    models = server.get("/readyz").json()["models"]
    return [model["tritons"]["ready"] for model in models.values()]


def num_left_alone(server: Server) -> float:
    """For how many models one of the Tritons is left alone."""
    metrics = Samples(server.get("/metrics").body.decode())
    return metrics.total("backend_breaker_state") / BREAKER_STATES.index("open")


def test_killing_one_costs_no_new_request(gateway: Server, failing: TritonServer) -> None:
    wait_until(lambda: states(gateway) == [2, 2], "both Tritons")
    with Load(gateway) as load:
        load.more(20)
        # What runs on it is lost, so nothing does: the kill comes between two requests.
        before = load.statuses.copy()
        failing.kill()
        load.more(40)
        wait_until(lambda: states(gateway) == [1, 1], "the loss of one")
        load.more(20)
        lost = load.statuses - before
    assert gateway.get("/readyz").status == 200
    # Up to four were under way.
    assert sum(count for status, count in lost.items() if status != 200) <= 4
    failing.start()
    failing.wait_until_ready(START_SECONDS)
    wait_until(lambda: states(gateway) == [2, 2], "its return", BACK_WITHIN)


def test_freezing_one_costs_those_that_wait_for_it(gateway: Server, failing: TritonServer) -> None:
    wait_until(lambda: states(gateway) == [2, 2], "both Tritons")
    process = failing.pid
    with Load(gateway) as load:
        load.more(12)
        os.kill(process, signal.SIGSTOP)
        try:
            wait_until(lambda: num_left_alone(gateway) == 2, "both models' opinion")
            load.each()
            before = load.statuses.copy()
            load.more(40)
            later = load.statuses - before
        finally:
            os.kill(process, signal.SIGCONT)
    # By then it was left alone, and no request waited for it any more.
    assert set(later) == {200}
    assert set(load.statuses) <= {200, 503, 504}
    wait_until(lambda: states(gateway) == [2, 2], "its return", BACK_WITHIN)
