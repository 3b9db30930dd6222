"""What a soak breaks, one thing each minute. Each returns when its cause is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from tests.faults.bench.common import Bench
from tests.faults.bench.processes import stub_pid
from tests.live.waiting import wait_until

FROZEN_SECONDS = 4.0
"""Longer than the limit between tokens."""


def kill_triton(load: Bench) -> None:
    """With all its stubs."""
    load.triton.kill()
    load.restart_triton()


def kill_stub(load: Bench) -> None:
    """Only a restart brings it back."""
    os.kill(stub_pid(load.triton.pid, "llm-bad"), signal.SIGKILL)
    time.sleep(2)
    load.triton.stop()
    load.restart_triton()


def freeze_triton(load: Bench) -> None:
    """As a machine that swaps does."""
    os.killpg(load.triton.pid, signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    os.killpg(load.triton.pid, signal.SIGCONT)


def cut_connections(load: Bench) -> None:
    """As a load balancer between the two does."""
    load.grpc_proxy.cut("rst")
    load.http_proxy.cut("rst")


def reload(load: Bench) -> None:
    """A file that has not changed."""
    os.kill(load.gateway.master_pid, signal.SIGHUP)
    time.sleep(2)


def kill_worker(load: Bench) -> None:
    """The master starts another one."""
    killed = load.gateway.worker_pids[0]
    os.kill(killed, signal.SIGKILL)

    def is_replaced() -> bool:
        pids = load.gateway.worker_pids
        return killed not in pids and len(pids) == 2

    wait_until(is_replaced, "another worker", 60)


Fault = Callable[[Bench], None]
FAULTS: tuple[Fault, ...] = (kill_triton, kill_stub, freeze_triton, cut_connections, reload)
EARLY: tuple[Fault, ...] = (*FAULTS, kill_worker)
"""As long as nobody looks at the workers' memory."""
