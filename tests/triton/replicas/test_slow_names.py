"""Names whose look-ups take longer than their answers are used for."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from app.triton.replicas import sites as module
from app.triton.replicas.sites import Lookup
from tests.live.waiting import LATE, wait_until


class SlowNames:
    """A name server that answers each question when it may."""

    def __init__(self) -> None:
        self.num_asked = 0
        self.num_waiting = 0
        self.may_answer = threading.Semaphore(0)

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.num_asked += 1
        last = self.num_asked
        self.num_waiting += 1
        assert self.may_answer.acquire(timeout=2 * LATE)
        self.num_waiting -= 1
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.{last}.{place}", port))
            for place in (1, 2)
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> SlowNames:
    names = SlowNames()
    monkeypatch.setattr(module.socket, "getaddrinfo", names.getaddrinfo)
    monkeypatch.setattr(module, "LOOKUP_INTERVAL", 0.0)
    return names


def hosts(lookup: Lookup) -> list[str]:
    return [address.host_and_port for address in lookup.addresses(0)]


def test_a_name_is_looked_up_once_at_a_time(names: SlowNames) -> None:
    lookup = Lookup(["tritons:1"])
    for _ in range(20):
        assert hosts(lookup) == ["tritons:1"]
    wait_until(lambda: names.num_waiting > 0, "the look-up")
    names.may_answer.release()
    wait_until(lambda: hosts(lookup) == ["10.0.1.1:1", "10.0.1.2:1"], "the first answer")
    wait_until(lambda: bool(hosts(lookup)) and names.num_waiting == 1, "the next look-up")
    for _ in range(20):
        hosts(lookup)
    assert names.num_asked == 2
    names.may_answer.release()
    wait_until(lambda: hosts(lookup) == ["10.0.2.1:1", "10.0.2.2:1"], "the second answer")
    names.may_answer.release(100)
