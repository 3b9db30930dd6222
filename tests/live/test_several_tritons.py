"""A model on two real Tritons, of which one is killed, frozen and started again under load."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.live.test_generation import CHAT, chat
from tests.live.waiting import wait_until

EMBED = {"model": "all-minilm-l6-v2", "input": "hello"}
TIMEOUTS = {"connect": 1, "first_token": 3, "between_tokens": 3, "total": 60}
# Far above what a restart takes here, where the bar is 2 seconds after Triton is ready.
BACK_WITHIN = 10


@pytest.fixture(scope="module")
def tritons(
    demo_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TritonServer, TritonServer]]:
    servers = (
        TritonServer([DEMO / "repository"], *free_ports(3)),
        TritonServer([DEMO / "repository"], *free_ports(3)),
    )
    for server in servers:
        server.start()
    for server in servers:
        server.wait_until_ready(90)
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def gateway(
    tritons: tuple[TritonServer, TritonServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
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
        self._threads = [
            threading.Thread(target=self._ask, args=each)
            for each in ((CHAT, chat("hi", max_tokens=2)), ("/v1/embeddings", EMBED)) * 2
        ]
        self.statuses: Counter[int] = Counter()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, path: str, body: Any) -> None:
        while not self._stopped.wait(0.05):
            self.statuses[self._server.post(path, body).status] += 1

    def more(self, count: int) -> None:
        """Wait for so many further answers."""
        reached = self.statuses.total() + count
        wait_until(lambda: self.statuses.total() >= reached, "further answers", 60)


def states(server: Server) -> list[int]:
    models = server.get("/readyz").json()["models"]
    return [model["tritons"]["ready"] for model in models.values()]


def test_killing_one_costs_no_new_request(
    gateway: Server, tritons: tuple[TritonServer, TritonServer]
) -> None:
    wait_until(lambda: states(gateway) == [2, 2], "both Tritons", 10)
    with Load(gateway) as load:
        load.more(20)
        # What runs on it is lost, so nothing does: the kill comes between two requests.
        before = load.statuses.copy()
        tritons[0].kill()
        load.more(40)
        wait_until(lambda: states(gateway) == [1, 1], "the loss of one", 10)
        load.more(20)
        lost = load.statuses - before
    assert gateway.get("/readyz").status == 200
    # Up to four were under way.
    assert sum(count for status, count in lost.items() if status != 200) <= 4
    tritons[0].start()
    tritons[0].wait_until_ready(90)
    wait_until(lambda: states(gateway) == [2, 2], "its return", BACK_WITHIN)


def test_freezing_one_costs_those_that_wait_for_it(
    gateway: Server, tritons: tuple[TritonServer, TritonServer]
) -> None:
    wait_until(lambda: states(gateway) == [2, 2], "both Tritons", 10)
    process = tritons[1].pid
    with Load(gateway) as load:
        load.more(12)
        os.kill(process, signal.SIGSTOP)
        try:
            time.sleep(8)
            before = load.statuses.copy()
            load.more(40)
            later = load.statuses - before
        finally:
            os.kill(process, signal.SIGCONT)
    # By now it is left alone, and no request waits for it any more.
    assert set(later) == {200}
    assert set(load.statuses) <= {200, 503, 504}
    wait_until(lambda: states(gateway) == [2, 2], "its return", BACK_WITHIN)
