"""Runs a scenario: servers started, each point warmed up, then everyone in turn, several times."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks import steady
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Counted, Figures, figures, lag
from benchmarks.fleet import Fleet, Ground, Running
from benchmarks.generators import CLIENTS, Amount, client, http_load
from benchmarks.loads import Chat, Load
from benchmarks.places import SERVER_ENVIRONMENT
from benchmarks.plans import Point, Scenario
from benchmarks.processes import Command, Report
from benchmarks.sampling import Peak, cpu_seconds, pss_bytes

WARM_UP_TOKENS = 8
WARM_UP_REQUESTS = 8
LAG_PYTHON = SERVER_ENVIRONMENT / "bin" / "python"

Say = Callable[[str], None]


@dataclass(slots=True)
class _Turn:
    """One subject at one point: what makes a run, and what its runs gave."""

    subject: str
    amount: Amount
    resting: int
    """Memory of its server before it had many connections, in bytes; 0 where nobody asks."""
    runs: list[Figures]


class Runner:
    """Measures the points of one scenario on its ground."""

    def __init__(self, ground: Ground, fleet: Fleet, say: Say) -> None:
        self._ground, self._fleet, self._say = ground, fleet, say
        self.missing: dict[str, str] = {}
        """Subjects that could not be measured, with the cause."""

    def measure(self, scenario: Scenario, runs: int, seconds_factor: float) -> list[dict[str, Any]]:
        """The cells of the results; `seconds_factor` makes runs longer or shorter."""
        cells = []
        for point in scenario.points:
            self._say(f"{scenario.name}: {point.label}")
            seconds = point.load.seconds * seconds_factor
            seconds = max(seconds, steady.SHORTEST) if point.is_steady else seconds
            load = dataclasses.replace(point.load, seconds=seconds)
            cells += self._point(scenario.name, dataclasses.replace(point, load=load), runs)
        return cells

    def _point(self, scenario: str, point: Point, runs: int) -> list[dict[str, Any]]:
        turns = list(self._warm_up(scenario, point))
        for number in range(runs):
            for turn in tuple(turns):
                try:
                    turn.runs.append(self._run(point, turn))
                except BenchmarkError as error:
                    self._give_up(scenario, point, turn.subject, error)
                    turns.remove(turn)
                    continue
                self._say(f"  {number + 1}/{runs} {turn.subject}: {_told(turn.runs[-1])}")
        return [_cell(point, turn) for turn in turns]

    def _give_up(self, scenario: str, point: Point, subject: str, error: Exception) -> None:
        self.missing[f"{scenario}, {point.label}, {subject}"] = str(error)
        self._say(f"  {subject} cannot be measured: {error}")

    def _warm_up(self, scenario: str, point: Point) -> Iterator[_Turn]:
        for subject in point.subjects:
            try:
                resting = self._resting(subject, point)
                amount = self._amount(subject, point)
            except BenchmarkError as error:
                self._give_up(scenario, point, subject, error)
                continue
            yield _Turn(subject, amount, resting, [])

    def _resting(self, subject: str, point: Point) -> int:
        if not point.weighs:
            return 0
        few = dataclasses.replace(_brief(point.load), connections=WARM_UP_REQUESTS)
        self._ask(subject, few, Amount(10 * WARM_UP_REQUESTS))
        return _memory(self._server(subject))

    def _amount(self, subject: str, point: Point) -> Amount:
        """Of a run: what the load says, or the requests that go into its seconds by a try."""
        load = point.load
        self._ask(subject, _brief(load), Amount(max(load.connections, WARM_UP_REQUESTS)))
        if point.is_steady:
            return Amount(seconds=load.seconds)
        if load.requests is not None:
            return Amount(load.requests)
        raw = self._ask(subject, load, Amount(max(load.connections, WARM_UP_REQUESTS)))
        waves: float = raw["requests"] / raw["seconds"] * load.seconds / load.connections
        return Amount(load.connections * max(1, round(waves)))

    def _ask(self, subject: str, load: Load, amount: Amount) -> dict[str, Any]:
        raw = Report(self._command(subject, load, amount)).read()
        if not raw["requests"]:
            raise BenchmarkError(f"No request succeeded: {raw['error_samples'][:1]}")
        return raw

    def _command(self, subject: str, load: Load, amount: Amount) -> Command:
        if subject in CLIENTS:
            return client(subject, load, amount, self._ground)
        return http_load(load, self._fleet.server(subject).port, amount, self._ground)

    def _server(self, subject: str) -> Running | None:
        return None if subject in CLIENTS else self._fleet.server(subject)

    def _run(self, point: Point, turn: _Turn) -> Figures:
        if point.is_steady and isinstance(point.load, Chat):
            return self._steady_run(point.load, turn)
        server, backend = self._server(turn.subject), self._ground.backend.pid
        with ExitStack() as beside:
            probe = self._probe(point, server, beside)
            background = self._background(point, server, beside)
            peak = beside.enter_context(Peak(lambda: _memory(server))) if point.weighs else None
            before = _cpu(server), cpu_seconds(backend)
            raw = Report(self._command(turn.subject, point.load, turn.amount)).read()
            used = _cpu(server) - before[0], cpu_seconds(backend) - before[1]
            lags = lag(probe.read()) if probe else {}
            others = {"background_requests": background.read()["requests"]} if background else {}
        growth = peak.value - turn.resting if peak else None
        counted = Counted(
            used[0] if server else None,
            used[1],
            growth,
            point.load.connections,
            isinstance(point.load, Chat),
        )
        return {**figures(raw, counted), **lags, **others}

    def _steady_run(self, load: Chat, turn: _Turn) -> Figures:
        server = self._server(turn.subject)
        measured = steady.Measured.of(server.pid if server else None, self._ground.backend.pid)
        return steady.run(Report(self._command(turn.subject, load, turn.amount)), load, measured)

    def _probe(self, point: Point, server: Running | None, beside: ExitStack) -> Report | None:
        if not point.probes or server is None:
            return None
        program = [str(LAG_PYTHON), "-m", "benchmarks.lag", "--port", str(server.port)]
        options = ["--path", server.live, "--seconds", str(_length(point.load))]
        report = Report(Command([*program, *options], self._ground.cores.load))
        beside.callback(report.kill)
        return report

    def _background(self, point: Point, server: Running | None, beside: ExitStack) -> Report | None:
        if point.background is None or server is None:
            return None
        amount = Amount(point.background.requests, point.background.seconds)
        command = http_load(point.background, server.port, amount, self._ground)
        report = Report(command)
        beside.callback(report.kill)
        return report


def _brief(load: Load) -> Load:
    """The same load with short answers, for the first request of every connection."""
    if not isinstance(load, Chat):
        return load
    return dataclasses.replace(load, max_tokens=min(load.max_tokens, WARM_UP_TOKENS), ramp=0.0)


def _length(load: Load) -> float:
    """About how many seconds a run takes."""
    if isinstance(load, Chat) and load.pace:
        waves = math.ceil((load.requests or load.connections) / load.connections)
        return waves * load.max_tokens / load.pace
    return load.seconds


def _cpu(server: Running | None) -> float:
    return cpu_seconds(server.pid) if server else 0.0


def _memory(server: Running | None) -> int:
    return pss_bytes(server.pid) if server else 0


def _cell(point: Point, turn: _Turn) -> dict[str, Any]:
    return {"point": point.label, "subject": turn.subject, "x": point.x, "runs": turn.runs}


def _told(run: Figures) -> str:
    keys: Sequence[str] = (
        "tokens_per_second",
        "requests_per_second",
        "cpu_us_per_token",
        "steady_cpu_us_per_token",
        "kept_pace",
    )
    told = [f"{run[key]:,.1f} {key}" for key in keys if key in run]
    return ", ".join([*told, f"{run['errors']:g} failed", f"load {run['load_share']:.0%}"])
