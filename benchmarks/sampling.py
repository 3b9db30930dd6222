"""CPU time and memory of process trees, from the kernel."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

PROC = Path("/proc")
CPUCLOCK_SCHED = 2
"""clock_getcpuclockid(3): the kind of a process's CPU clock, which counts in nanoseconds."""


def process_tree(root: int) -> list[int]:
    """Ids of the process and of its live descendants, by the parents that /proc names."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _parents() -> Iterable[tuple[int, int]]:
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        # pid (name) state parent ...; the name may hold spaces and brackets.
        yield int(folder.name), int(stat.rpartition(")")[2].split()[1])


def cpu_seconds(root: int) -> float:
    """User and system time of the process and its live descendants, with all their threads.

    Threads that have ended count; processes that have ended do not.
    """
    return cpu_of(process_tree(root))


def cpu_of(pids: Iterable[int]) -> float:
    """The same of these processes alone; one that has ended counts nothing."""
    return sum(_process_seconds(pid) for pid in pids)


def _process_seconds(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def pss_bytes(root: int) -> int:
    """Proportional set size of the tree's anonymous memory: what processes share counts once.

    Mapped files are left out, because their part depends on what else runs on the machine.
    """
    return sum(_process_pss(pid) for pid in process_tree(root))


def _process_pss(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    values = [line.split()[1] for line in lines if line.startswith("Pss_Anon:")]
    return int(values[0]) * 1024 if values else 0


class Peak:
    """The highest value that a measure has while the `with` block runs, asked every `interval`."""

    def __init__(self, measure: Callable[[], int], interval: float = 0.25) -> None:
        """`interval` in seconds."""
        self.value = 0
        self._measure, self._interval = measure, interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            self.value = max(self.value, self._measure())
