"""The results as one JSON file: who was measured, where, and every run's raw figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.spread import Spread, spread

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One subject at one point of a scenario, with the figures of each run."""

    scenario: str
    point: str
    subject: str
    x: float | None
    runs: tuple[Mapping[str, Any], ...]

    def values(self, figure: str) -> list[float]:
        """One value for each run that has this figure, in the order of the runs."""
        return [run[figure] for run in self.runs if figure in run]

    def spread(self, figure: str) -> Spread | None:
        """None where no run has this figure."""
        return spread(self.values(figure))

    @property
    def num_errors(self) -> int:
        """Failed requests of all runs."""
        return int(sum(run.get("errors", 0) for run in self.runs))


@dataclass(frozen=True, slots=True)
class Results:
    """What the file holds, with ways to find a cell."""

    content: Mapping[str, Any]

    def scenarios(self) -> list[Mapping[str, Any]]:
        """The scenarios that were measured, in order."""
        return list(self.content["scenarios"])

    def cells(self, scenario: str) -> Iterator[Cell]:
        """Every cell of a scenario; none if it was not measured."""
        for found in self.scenarios():
            if found["name"] == scenario:
                yield from (_cell(scenario, each) for each in found["cells"])

    def cell(self, scenario: str, point: str, subject: str) -> Cell | None:
        """None if it was not measured."""
        cells = (each for each in self.cells(scenario) if each.point == point)
        return next((each for each in cells if each.subject == subject), None)

    def values(self, scenario: str, point: str, subject: str, figure: str) -> list[float]:
        """One value for each run, none if it was not measured."""
        cell = self.cell(scenario, point, subject)
        return cell.values(figure) if cell else []


def _cell(scenario: str, content: Mapping[str, Any]) -> Cell:
    return Cell(
        scenario, content["point"], content["subject"], content["x"], tuple(content["runs"])
    )


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write the file in one step, so that a run that is broken off leaves what was there."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps({"format": FORMAT, **content}, indent=1) + "\n", "utf-8")
    beside.replace(path)


def load(path: Path) -> Results:
    """Raises `BenchmarkError` for what is not a results file of this form."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} holds no results: {error}.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BenchmarkError(f"{path} is not a results file of format {FORMAT}.")
    return Results(content)
