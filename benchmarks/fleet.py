"""The servers of one scenario, started when they are first asked for and stopped together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks import gateway
from benchmarks.backends import Backend
from benchmarks.peers.servers import PEERS, Place
from benchmarks.places import Cores
from benchmarks.plans import (
    CHAT_MODELS,
    ENCODERS,
    GATEWAY,
    GATEWAY_2,
    INFINITY,
    MODELS_10,
    MODELS_50,
)
from benchmarks.processes import Command, Server, answers
from demo.ports import LOOPBACK, free_ports

UPSTREAM = "openai_api as the upstream of a proxy"
GATEWAYS = {
    GATEWAY: (1, 0),
    GATEWAY_2: (2, 0),
    MODELS_10: (1, 7),
    MODELS_50: (1, 47),
    UPSTREAM: (1, 0),
}
"""Workers, and models beside the three that every configuration has."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready: its port, its first process, and where it says that it lives."""

    port: int
    pid: int
    live: str
    started_in: float
    """Seconds from its start until it was ready."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What every server of a scenario stands on: the backend, the cores, a folder for files."""

    backend: Backend
    cores: Cores
    folder: Path


class Fleet:
    """Servers by the names of the subjects."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._running: dict[str, Running] = {}
        self._ending = ExitStack()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.close()

    def server(self, name: str) -> Running:
        """Ready to be asked. Raises `BenchmarkError` if it does not get ready."""
        if name not in self._running:
            self._running[name] = self._gateway(name) if name in GATEWAYS else self._peer(name)
        return self._running[name]

    def _gateway(self, name: str) -> Running:
        ground, (workers, extra) = self._ground, GATEWAYS[name]
        (port,) = free_ports(1)
        content = gateway.configuration(ground.backend.grpc, ground.backend.http, extra)
        path = gateway.write_configuration(ground.folder, f"models-{port}", content)
        cores = ground.cores.backend if name == UPSTREAM else ground.cores.server(workers)
        command = gateway.command(port, path, workers, cores)
        return self._start(name, command, port, lambda: answers(port, "/readyz"), "/livez")

    def _peer(self, name: str) -> Running:
        peer, ground, (port,) = PEERS[name], self._ground, free_ports(1)
        upstream = ""
        if peer.needs_upstream:
            upstream = f"http://{LOOPBACK}:{self.server(UPSTREAM).port}"
        models = ENCODERS if name == INFINITY else CHAT_MODELS
        place = Place(port, ground.backend.grpc, upstream, ground.folder, models)
        command = Command(peer.command(place), ground.cores.server(1), peer.env)
        return self._start(name, command, port, lambda: answers(port, peer.ready), peer.ready)

    def _start(
        self, name: str, command: Command, port: int, is_ready: Callable[[], bool], live: str
    ) -> Running:
        server = Server(name, command, self._ground.folder / f"server-{port}.log")
        self._ending.callback(server.stop)
        return Running(port, server.pid, live, server.wait_until(is_ready))
