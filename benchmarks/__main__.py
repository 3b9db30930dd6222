"""`python -m benchmarks`: measure everything, and write results.json and report.html."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import machine, results
from benchmarks.backends import Backend, mock, triton
from benchmarks.bars import judge
from benchmarks.cross_check import AIPERF, cross_check
from benchmarks.errors import BenchmarkError
from benchmarks.fleet import Fleet, Ground
from benchmarks.peers.servers import PEERS
from benchmarks.places import BENCH, Cores, allow_open_files
from benchmarks.plans import Scenario
from benchmarks.report import render
from benchmarks.runner import Runner
from benchmarks.scenarios import SCENARIOS
from benchmarks.tables import bar_rows
from demo.errors import DemoError

QUICK_RUNS, QUICK_FACTOR = 2, 0.25


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 measured, 2 it could not start. Bars that are not met do not change it."""
    options = _parse(arguments)
    try:
        content = _measure(options)
    except (BenchmarkError, DemoError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    _write(content, options.output)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short runs, to try it out")
    parser.add_argument("--runs", type=int, help="runs of everyone at every point (5)")
    parser.add_argument(
        "--only", nargs="+", metavar="SCENARIO", choices=[each.name for each in SCENARIOS],
        help="of: " + ", ".join(each.name for each in SCENARIOS),
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=BENCH / "results", metavar="DIR")
    options = parser.parse_args(arguments)
    options.runs = options.runs or (QUICK_RUNS if options.quick else 5)
    return options


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    allow_open_files()
    cores = Cores.of_machine()
    os.sched_setaffinity(0, cores.load)
    started = time.monotonic()
    content: dict[str, Any] = {
        "machine": machine.describe(len(cores.available)),
        "runs": options.runs,
        "is_quick": options.quick,
        "versions": {"the server": machine.server_versions(), **_peer_versions()},
        "scenarios": [],
        "cross_check": [],
        "missing": {},
    }
    for scenario in _chosen(options.only):
        _scenario(scenario, cores, options, content)
        _save(content, options.output)
    if options.only is None:
        _cross_check(cores, content)
    content["minutes"] = round((time.monotonic() - started) / 60, 1)
    return content


def _peer_versions() -> dict[str, dict[str, str]]:
    """Of the peers that are installed, and of aiperf."""
    aiperf = machine.installed(AIPERF.parents[1], ("aiperf",))
    found = {"cross-check": aiperf} if aiperf else {}
    for name, peer in PEERS.items():
        with suppress(OSError, subprocess.CalledProcessError):
            found[name] = peer.versions()
    return found


def _chosen(names: Sequence[str] | None) -> list[Scenario]:
    return [each for each in SCENARIOS if names is None or each.name in names]


def _scenario(
    scenario: Scenario, cores: Cores, options: argparse.Namespace, content: dict[str, Any]
) -> None:
    factor = QUICK_FACTOR if options.quick else 1.0
    with _ground(scenario.backend, cores) as ground, Fleet(ground) as fleet:
        runner = Runner(ground, fleet, _say)
        cells = runner.measure(scenario, options.runs, factor)
    content["missing"] |= runner.missing
    names = {"name": scenario.name, "title": scenario.title, "axis": scenario.axis}
    content["scenarios"].append({**names, "cells": cells})


def _cross_check(cores: Cores, content: dict[str, Any]) -> None:
    with _ground("mock", cores) as ground, Fleet(ground) as fleet:
        try:
            content["cross_check"] = cross_check(ground, fleet, _say)
        except BenchmarkError as error:
            content["missing"]["cross-check"] = str(error)
            _say(f"cross-check: {error}")


@contextmanager
def _ground(kind: str, cores: Cores) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="openai-api-bench-") as name:
        folder = Path(name)
        with _backend(kind, folder, cores) as backend:
            yield Ground(backend, cores, folder)


@contextmanager
def _backend(kind: str, folder: Path, cores: Cores) -> Iterator[Backend]:
    with triton(folder, cores) if kind == "triton" else mock(folder, cores) as backend:
        yield backend


def _save(content: dict[str, Any], folder: Path) -> Path:
    """After every scenario, so that a run that is broken off is not lost."""
    folder.mkdir(parents=True, exist_ok=True)
    results.save(content, folder / "results.json")
    return folder / "results.json"


def _write(content: dict[str, Any], folder: Path) -> None:
    found = results.load(_save(content, folder))
    (folder / "report.html").write_text(render(found), "utf-8")
    for row in bar_rows(judge(found)).rows:
        print(" | ".join(row))
    print(f"{content['minutes']} minutes; {folder / 'report.html'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
