"""What each case measured: figures with their bars, kept in one file for the report.

    def test_a1(case: Case) -> None:
        case.injects("kill -9 of Triton under 50 streams", times=1)
        case.at_most("seconds to the last error frame", seconds, bar=1.0)
        case.exactly("silent ends", num_silent, 0)

A test fails beyond a bar of counts. Times are a machine's own: a test fails beyond `SLACK` times
the bar, and the report shows the figure and whether the bar itself is met. Without `--whole` other
tests run beside it, so that seconds may also be `LATE`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.live.waiting import LATE

FORMAT = 1
SLACK = 5.0


@dataclass(frozen=True)
class Figure:
    """One measured figure. `bar` says in words what is demanded."""

    name: str
    measured: str
    bar: str
    is_met: bool


@dataclass
class Case:
    """One run of one case; `is_whole` where nothing else runs, as with `--whole`."""

    id: str
    title: str
    is_whole: bool = False
    injected: str = ""
    times: int = 0
    figures: list[Figure] = field(default_factory=list)
    not_run: str | None = None
    outcome: str = "passed"

    def injects(self, what: str, times: int = 1) -> None:
        """What was broken, and how often."""
        self.injected, self.times = what, times

    def at_most(
        self, name: str, measured: float, bar: float, unit: str = "s", *, slack: float = SLACK
    ) -> None:
        """A time, which a busy machine may stretch up to `slack` times the bar."""
        figure = Figure(name, f"{measured:.3g} {unit}", f"≤ {bar:g} {unit}", measured <= bar)
        self.figures.append(figure)
        most = bar * slack + (LATE if unit == "s" and not self.is_whole else 0)
        assert measured <= most, f"{name}: {measured:.3g} {unit}, the bar is {bar:g}"

    def exactly(self, name: str, measured: object, wanted: object) -> None:
        """A count, or anything else that no machine may change."""
        self.figures.append(Figure(name, str(measured), str(wanted), measured == wanted))
        assert measured == wanted, f"{name}: {measured}, not {wanted}"

    def holds(self, name: str, is_met: bool, measured: object, bar: str) -> None:
        """Anything whose bar is best said in words."""
        self.figures.append(Figure(name, str(measured), bar, is_met))
        assert is_met, f"{name}: {measured}, demanded is {bar}"

    def observes(self, name: str, is_met: bool, measured: object, bar: str) -> None:
        """As `holds`, for what cannot be had here: the report tells, the test goes on."""
        self.figures.append(Figure(name, str(measured), bar, is_met))

    def holds_if_whole(self, name: str, is_met: bool, measured: object, bar: str) -> None:
        """As `holds`, for a ratio of times that only a quiet machine can have."""
        (self.holds if self.is_whole else self.observes)(name, is_met, measured, bar)

    def cannot_run(self, reason: str) -> None:
        """The machine lacks what the case needs; it counts as not run."""
        self.not_run = reason


def save(cases: Sequence[Case], path: Path) -> None:
    """Write the file in one step. Cases of an earlier run that were not run now stay."""
    kept = {key(each): each for each in (load(path) if path.exists() else [])}
    kept |= {key(each): each for each in cases}
    content = {"format": FORMAT, "cases": [asdict(kept[name]) for name in sorted(kept)]}
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    beside.replace(path)


def key(case: Case) -> tuple[str, int, str]:
    """What sorts A2 before A10, and tells one case from another."""
    return case.id[:1], int(case.id[1:]), case.title


def load(path: Path) -> list[Case]:
    """Raises ValueError for a file of another form."""
    content = json.loads(path.read_text("utf-8"))
    if content.get("format") != FORMAT:
        raise ValueError(f"{path} is not a file of format {FORMAT}")
    return [_case(each) for each in content["cases"]]


def _case(content: dict[str, Any]) -> Case:
    figures = [Figure(**figure) for figure in content["figures"]]
    return Case(**{**content, "figures": figures})
