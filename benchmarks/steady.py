"""CPU of a paced token, taken while every stream is open.

A run with a number of requests would count what the requests cost with their tokens: with 60
tokens in an answer, a third of the CPU. Here long streams start over the load's ramp, CPU is taken
between then and the end of the load's seconds, and the streams are cut off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figures, Sampled, steady
from benchmarks.loads import Chat
from benchmarks.processes import Report
from benchmarks.sampling import cpu_of, process_tree

INTERVAL = 0.1
AFTER_START, BEFORE_END = 0.5, 0.6
"""Seconds of a run that are left out: the last stream's first tokens, and the cutting off, in which
a client in Python closes its streams before it ends."""
SHORTEST = 2.0
"""Seconds of the shortest run of which enough is left to sample."""
PATIENCE = 60.0
"""Seconds that a run may take longer than it should, on a machine that is busy."""
IDLE_SHARE, IDLE_SECONDS, LONGEST_WAIT = 0.05, 0.5, 40.0
"""Nobody is at work if half a second takes less than a twentieth of a core; waited for as long as
the streams would last if nobody told the backend that they were cut off."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A time of the monotonic clock, and CPU seconds until then."""

    time: float
    server: float
    beside: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Whose CPU is taken: processes of the server, and those of the backend.

    A client without a server is the server itself, and then `server` is None.
    """

    server: Sequence[int] | None
    backend: Sequence[int]

    @classmethod
    def of(cls, server: int | None, backend: int) -> Measured:
        """By the first processes; workers have to be there already."""
        return cls(None if server is None else process_tree(server), process_tree(backend))


def run(report: Report, load: Chat, measured: Measured) -> Figures:
    """Watch the run that `report` has begun. Raises `BenchmarkError` if it was too short."""
    marks = _marks(report, measured, time.monotonic() + load.ramp + load.seconds + PATIENCE)
    ended = time.monotonic()
    raw = report.read(timeout=1.0)
    first, last = window(marks, ended, load.seconds)
    _wait_until_idle([*(measured.server or ()), *measured.backend])
    rate = load.connections * _pace(load)
    seconds = last.time - first.time
    sampled = Sampled(
        seconds=seconds,
        server=last.server - first.server,
        beside=last.beside - first.beside,
        tokens=rate * seconds,
        due=rate * _full_seconds(raw, load, measured),
    )
    return steady(raw, sampled)


def window(marks: Sequence[Mark], ended: float, seconds: float) -> tuple[Mark, Mark]:
    """The first and the last mark at which all streams were open for sure.

    They were all open in the last `seconds` before the run `ended`.
    """
    begin, end = ended - seconds + AFTER_START, ended - BEFORE_END
    inside = [mark for mark in marks if begin <= mark.time <= end]
    if len(inside) < 2:
        raise BenchmarkError(f"A run of {seconds:g} s is too short to sample.")
    return inside[0], inside[-1]


def _marks(report: Report, measured: Measured, deadline: float) -> list[Mark]:
    generator = [report.pid]
    server = generator if measured.server is None else measured.server
    beside = [*measured.backend, *(() if measured.server is None else generator)]
    marks = []
    while not report.has_ended and time.monotonic() < deadline:
        marks.append(Mark(time.monotonic(), cpu_of(server), cpu_of(beside)))
        time.sleep(INTERVAL)
    return marks


def _full_seconds(raw: dict[str, Any], load: Chat, measured: Measured) -> float:
    """For how long all streams together would have made the tokens that the generator saw.

    http_load counts when all have started; a client counts from the first, half of the ramp less.
    """
    seconds = float(raw["seconds"])
    return seconds - load.ramp / 2 if measured.server is None else seconds


def _pace(load: Chat) -> int:
    if load.pace is None:
        raise BenchmarkError(f"{load.model} has no pace.")
    return load.pace


def _wait_until_idle(pids: Sequence[int]) -> None:
    """Until streams that were cut off have ended for everybody."""
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        before = cpu_of(pids)
        time.sleep(IDLE_SECONDS)
        if cpu_of(pids) - before < IDLE_SHARE * IDLE_SECONDS:
            return
