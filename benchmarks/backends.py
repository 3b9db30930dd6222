"""What stands behind the servers: the mock, or the demo's tritonserver with a paced model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import prompts
from benchmarks.places import PROGRAMS, Cores
from benchmarks.plans import CHAT_MODELS, PACE
from benchmarks.processes import Command, Server
from benchmarks.real_triton import real_triton
from benchmarks.sampling import process_tree
from demo.ports import LOOPBACK, free_ports

NUM_ANSWER_IDS = 4096
TRITON_PACES = (1000, PACE, 500)
"""Tokens a second of CHAT_MODELS; only the paced one is asked."""
READY = "ready"
"""What the mock prints once it listens."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where it listens, and its first process; `http` is None if it has no encoders."""

    grpc: str
    http: str | None
    pid: int


@contextmanager
def mock(folder: Path, cores: Cores) -> Iterator[Backend]:
    """The mock on free ports; its answers are plain text."""
    grpc, http = free_ports(2)
    ids = folder / "answer_ids.txt"
    ids.write_text(" ".join(map(str, prompts.answer_ids(NUM_ANSWER_IDS))))
    ports = ["--grpc-port", str(grpc), "--http-port", str(http), "--tokens", str(ids)]
    command = Command([str(PROGRAMS / "mock_triton"), *ports], cores.backend)
    log = folder / "mock.log"
    server = Server("the mock", command, log)
    try:
        server.wait_until(lambda: log.read_text().startswith(READY))
        yield Backend(f"{LOOPBACK}:{grpc}", f"{LOOPBACK}:{http}", server.pid)
    finally:
        server.stop()


@contextmanager
def triton(folder: Path, cores: Cores) -> Iterator[Backend]:
    """The real tritonserver, with models of the mock's names, paced as they are."""
    with real_triton(folder, dict(zip(CHAT_MODELS, TRITON_PACES, strict=True))) as server:
        for pid in process_tree(server.pid):
            _pin_threads(pid, cores.backend)
        yield Backend(server.grpc_url, None, server.pid)


def _pin_threads(pid: int, cores: set[int]) -> None:
    """Threads that exist already do not follow their process."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)
