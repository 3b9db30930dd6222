"""The process itself, in the names of Prometheus's client libraries; memory and files on Linux."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

from prometheus_client import Counter, Gauge

from app.observability.instruments import REGISTRY, WORKER

PAGE_BYTES = resource.getpagesize()
STATM = Path("/proc/self/statm")
DESCRIPTORS = "/proc/self/fd"


def _gauge(name: str, text: str) -> Gauge:
    made = Gauge(name, text, ["worker"], registry=REGISTRY, multiprocess_mode="livesum")
    return made.labels(WORKER)


_cpu = Counter(
    "process_cpu_seconds_total", "User and system time", ["worker"], registry=REGISTRY
).labels(WORKER)
_resident = _gauge("process_resident_memory_bytes", "Resident memory")
_open_fds = _gauge("process_open_fds", "Open file descriptors")
_max_fds = _gauge("process_max_fds", "Most file descriptors that may be open")
_start_time = _gauge("process_start_time_seconds", "Start in Unix seconds")
_start_time.set(time.time())
_cpu_seen = 0.0


def measure() -> None:
    """Bring the numbers up to date. What cannot be read stays as it is."""
    global _cpu_seen
    used = time.process_time()
    _cpu.inc(used - _cpu_seen)
    _cpu_seen = used
    _max_fds.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    # Not Linux, or no descriptor is left to look with.
    with suppress(OSError):
        _resident.set(int(STATM.read_text().split()[1]) * PAGE_BYTES)
        _open_fds.set(len(os.listdir(DESCRIPTORS)))
