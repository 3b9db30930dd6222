"""What the workers of a gateway take of the machine, before, during and after a load."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from app.offload import MAX_THREADS
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.processes import Usage
from tests.faults.record import Case

MIB = 2**20
NANOSECONDS = 1e9
SPARE = 2
"""File descriptors that may come and go."""
SETTLE_SECONDS = 60.0


class Footprint:
    """Begins to measure when it is made. Call it often: it keeps the peak."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._before = gateway.usage()
        self._delays = {pid: _run_delay(pid) for pid in self._before}
        self._peak = self.growth()

    def __call__(self) -> bool:
        """Keep the peak; never a reason to stop."""
        self._peak = max(self._peak, self.growth())
        return False

    def growth(self) -> int:
        """Bytes by which the workers' resident memory is above what it was, all together."""
        now = self._gateway.usage()
        return sum(now[pid].rss - usage.rss for pid, usage in self._before.items())

    @property
    def peak(self) -> float:
        """The most of it so far, in MiB."""
        return self._peak / MIB

    @property
    def starved(self) -> float:
        """Seconds that the workers were ready to run and another process had the processor."""
        return sum(_run_delay(pid) - self._delays[pid] for pid in self._delays)

    def is_back(self, case: Case) -> None:
        """Descriptors and threads are as before, or soon."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (worst := self._worst()).fds > SPARE and time.monotonic() < deadline:
            time.sleep(0.1)
        case.holds("descriptors left open", worst.fds <= SPARE, worst.fds, f"≤ {SPARE}")
        # Those of the pool for long work stay.
        bar = f"≤ {MAX_THREADS}, those of the pool"
        case.holds("threads left", worst.threads <= MAX_THREADS, worst.threads, bar)

    def grown_at_most(self, case: Case, mib_each: float) -> None:
        """No worker keeps more."""
        now = self._gateway.usage()
        grown = max((now[pid].rss - usage.rss) / MIB for pid, usage in self._before.items())
        is_met = grown <= mib_each
        case.holds("memory that a worker keeps", is_met, f"{grown:.1f} MiB", f"≤ {mib_each:g} MiB")

    def _worst(self) -> Left:
        now = self._gateway.usage()
        pairs: list[tuple[Usage, Usage]] = [(now[pid], self._before[pid]) for pid in self._before]
        return Left(
            max(0, *(late.fds - early.fds for late, early in pairs)),
            max(0, *(late.threads - early.threads for late, early in pairs)),
        )


@dataclass(frozen=True)
class Left:
    """More than before."""

    fds: int
    threads: int


def _run_delay(pid: int) -> float:
    """The second number of schedstat: https://docs.kernel.org/scheduler/sched-stats.html"""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[1]) for task in tasks) / NANOSECONDS
