"""A small results file that was recorded with `python -m benchmarks --quick`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from benchmarks.results import Results

RECORDED = Path(__file__).with_name("recorded_results.json")


def recorded() -> Results:
    return Results(json.loads(RECORDED.read_text("utf-8")))


def changed(scenario: str, point: str, subject: str, **figures: list[float]) -> Results:
    """The recorded results with other values for one cell: one run for each."""
    content = copy.deepcopy(dict(recorded().content))
    cell = _cell(content, scenario, point, subject)
    count = len(next(iter(figures.values())))
    cell["runs"] = [
        {**cell["runs"][0], **{name: values[run] for name, values in figures.items()}}
        for run in range(count)
    ]
    return Results(content)


def _cell(content: dict[str, Any], scenario: str, point: str, subject: str) -> dict[str, Any]:
    (found,) = (
        cell
        for each in content["scenarios"]
        if each["name"] == scenario
        for cell in each["cells"]
        if (cell["point"], cell["subject"]) == (point, subject)
    )
    assert isinstance(found, dict)
    return found
