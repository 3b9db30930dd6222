"""The figures for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from app.commands.bench.figures import PERCENTILES, Figures, Spread
from app.commands.bench.load import Load
from app.terminal.escapes import one_line
from app.terminal.styles import styled

TITLES: Mapping[str, str] = {
    "first_token": "first token",
    "between_tokens": "between tokens",
    "between_events": "between events",
    "whole_answer": "whole answer",
}
# A share of one core from which on a Python process is its own bottleneck.
BUSY = 0.7
QUICK_LOOK = "This is a quick look; `make bench` of the source code is the measurement."
COLUMN = 10
LABEL = 16


def print_json(figures: Figures, load: Load, asked: Mapping[str, Any]) -> None:
    """One object: what was asked for, and what came of it."""
    client = {"cpu_share": round(load.cpu_share, 3), "is_bottleneck": load.cpu_share > BUSY}
    content = {**asked, "interrupted": load.was_interrupted, **figures.as_json(), "client": client}
    print(json.dumps(content, indent=2))


def print_report(figures: Figures, load: Load) -> None:
    """Lines of at most 80 columns, and what limits their meaning."""
    stopped = " (stopped by Ctrl-C)" if load.was_interrupted else ""
    print(f"{figures.num_answered} answered, {figures.num_failed} failed{_in(figures)}{stopped}")
    _rate("requests", figures.num_answered, figures)
    _rate("tokens in", figures.prompt_tokens, figures)
    _rate("tokens out", figures.completion_tokens, figures)
    _print_spreads(figures.spreads)
    for kind, (count, example) in figures.errors.items():
        label = styled(f"{count} x {kind}", sys.stdout, "red")
        print(f"{label}: {one_line(example)}")
    print()
    for line in _remarks(load):
        print(line)


def _in(figures: Figures) -> str:
    return f" in {figures.seconds:.1f} s"


def _rate(label: str, count: int, figures: Figures) -> None:
    if count:
        print(f"{label:<{LABEL}}{figures.rate(count):>{COLUMN},.1f} per second")


def _print_spreads(spreads: Mapping[str, Spread]) -> None:
    if not spreads:
        return
    names = ["mean", *(f"p{percent}" for percent in PERCENTILES), "max"]
    heading = "milliseconds".ljust(LABEL) + "".join(name.rjust(COLUMN) for name in names)
    print("\n" + styled(heading, sys.stdout, "bold"))
    for name, spread in spreads.items():
        values = (spread.mean, *spread.percentiles.values(), spread.longest)
        print(TITLES[name].ljust(LABEL) + "".join(f"{each:>{COLUMN},.1f}" for each in values))


def _remarks(load: Load) -> list[str]:
    share = f"{load.cpu_share:.0%} of a core"
    if load.cpu_share > BUSY:
        warning = f"warning: this client used {share} itself, so it may be what was measured."
        return [styled(warning, sys.stdout, "yellow"), QUICK_LOOK]
    return [f"This client itself used {share}.", QUICK_LOOK]
