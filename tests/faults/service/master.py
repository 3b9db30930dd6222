"""What can be seen of a gateway's master and its workers from outside."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from tests.faults.bench.gateway import NUM_WORKERS, Gateway
from tests.faults.bench.processes import children
from tests.live.waiting import wait_until

READY = re.compile(r"Worker ready \(pid: (\d+)\)")
TICKS = os.sysconf("SC_CLK_TCK")
SECONDS = 500.0
LONGEST = 1200
"""Seconds for the longest cases on the slowest machines."""


def ready_workers(gateway: Gateway) -> list[int]:
    """Process ids of the workers that serve; what else the master has started is left out."""
    ready = {int(pid) for pid in READY.findall(gateway.server.log_text())}
    return [pid for pid in gateway.worker_pids if pid in ready and is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is not a zombie."""
    return state(pid) not in ("", "Z")


def state(pid: int) -> str:
    """The letter of proc(5), empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def until_ready(gateway: Gateway, since: float, num_workers: int = NUM_WORKERS) -> float:
    """Seconds until so many workers serve."""
    wait_until(lambda: len(ready_workers(gateway)) == num_workers, "that they serve", SECONDS)
    return time.monotonic() - since


def wait_for_log(gateway: Gateway, words: str, count: int, offset: int = 0) -> None:
    """Until the log says so that often behind `offset`."""
    wait_until(
        lambda: gateway.log_since(offset).count(words) >= count, f"{count} of {words!r}", SECONDS
    )


def send(gateway: Gateway, number: signal.Signals) -> float:
    """A signal to the master; the time right before, which nothing that it does can precede."""
    sent_at = time.monotonic()
    os.kill(gateway.master_pid, number)
    return sent_at


def exit_code(gateway: Gateway, seconds: float) -> int:
    """Of the master, once it has ended by itself."""
    wait_until(lambda: not is_alive(gateway.master_pid), "the end", seconds)
    return gateway.stop()


def family(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *(each for child in children(pid) for each in family(child))]


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def total(gateway: Gateway, metric: str, *labels: str) -> float:
    """The sum of a metric's series that have these labels."""
    text = gateway.server.get("/metrics").body.decode()
    found = re.findall(rf"^{metric}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for names, value in found if all(label in names for label in labels))
