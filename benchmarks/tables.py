"""The figures as rows of text, for the report's tables and for the documentation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.bars import Verdict
from benchmarks.results import Cell, Results
from benchmarks.scales import short
from benchmarks.spread import Spread, spread

COLUMNS = {
    "tokens_per_second": "tokens/s",
    "requests_per_second": "requests/s",
    "cpu_us_per_token": "CPU µs/token",
    "steady_cpu_us_per_token": "CPU µs/token",
    "kept_pace": "events ÷ tokens due",
    "cpu_us_per_request": "CPU µs/request",
    "ttft_p50_ms": "first token p50, ms",
    "ttft_p95_ms": "p95",
    "ttft_p99_ms": "p99",
    "gap_p50_ms": "between tokens p50, ms",
    "gap_p95_ms": "p95",
    "gap_p99_ms": "p99",
    "latency_p50_ms": "latency p50, ms",
    "latency_p99_ms": "p99",
    "lag_p50_ms": "lag p50, ms",
    "lag_p99_ms": "p99",
    "lag_max_ms": "longest",
    "memory_kib_per_stream": "KiB/stream",
    "server_share": "its cores",
    "load_share": "cores of load and backend",
    "backend_factor": "its CPU ÷ backend's",
}
BAR_HEADINGS = ("", "bar", "promised", "measured", "lowest to highest run")
SIGNS = {True: "met", False: "not met", None: "not measured"}
CEILING_FACTOR = 5
STREAMS_OF = ("unpaced", "shapes", "workers", "streamed-or-whole")
"""Scenarios whose streams the mock holds up if anything does."""


@dataclass(frozen=True, slots=True)
class Table:
    """Headings, and rows of as many texts."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def bar_rows(verdicts: Sequence[Verdict]) -> Table:
    """One row for each bar."""
    return Table(BAR_HEADINGS, tuple(_bar_row(each) for each in verdicts))


def _bar_row(verdict: Verdict) -> tuple[str, ...]:
    bar, found = verdict.bar, verdict.spread
    sign = "≥" if bar.sense == "at least" else "≤"
    promised = f"{sign} {bar.limit:g} {bar.unit}".strip()
    measured = f"{short(found.median)} {bar.unit}".strip() if found else "–"
    return SIGNS[verdict.is_met], bar.what, promised, measured, range_of(found)


def range_of(found: Spread | None) -> str:
    """The lowest and the highest run."""
    return f"{short(found.low)} to {short(found.high)}" if found else "–"


def scenario_table(results: Results, name: str, has_ranges: bool = True) -> Table:
    """Medians of everyone at every point, with the range below if asked for."""
    cells = list(results.cells(name))
    shown = [key for key in COLUMNS if any(cell.spread(key) for cell in cells)]
    headings = ("load", "who", *(COLUMNS[key] for key in shown), "failed")
    return Table(headings, tuple(_cell_row(cell, shown, has_ranges) for cell in cells))


def _cell_row(cell: Cell, shown: Sequence[str], has_ranges: bool) -> tuple[str, ...]:
    figures = (_value(cell.spread(key), has_ranges) for key in shown)
    return cell.point, cell.subject, *figures, f"{cell.num_errors:,}"


def _value(found: Spread | None, has_ranges: bool) -> str:
    if found is None:
        return "–"
    return f"{short(found.median)} ({range_of(found)})" if has_ranges else short(found.median)


def cross_check_table(results: Results) -> Table:
    """What two generators say of the same load; no rows if it was not asked."""
    found = results.content.get("cross_check", [])
    names = dict.fromkeys(name for row in found for run in row["runs"] for name in run)
    shown = [name for name in COLUMNS if name in names]
    headings = ("load", "generator", *(COLUMNS[name] for name in shown))
    rows = []
    for row in found:
        spreads = [spread(run[name] for run in row["runs"] if name in run) for name in shown]
        rows.append((row["what"], row["generator"], *(_value(each, True) for each in spreads)))
    return Table(headings, tuple(rows))


def ceiling_sentence(results: Results) -> str:
    """How far the mock is above the fastest that was measured against it; empty if unknown."""
    ceiling = _fastest(results, ["ceiling"])
    fastest = _fastest(results, STREAMS_OF)
    if ceiling is None or fastest is None:
        return ""
    factor = ceiling[0] / fastest[0]
    return (
        f"Alone, the mock serves {short(ceiling[0])} tokens/s ({ceiling[1]}); the most that anyone"
        f" took from it is {short(fastest[0])} ({fastest[1]}), {short(factor)} times less."
        f" At least {CEILING_FACTOR} were wanted.{_encoder_sentence(results)}"
    )


def _fastest(results: Results, scenarios: Sequence[str]) -> tuple[float, str] | None:
    found = (
        (value.median, f"{cell.subject}, {cell.point}")
        for name in scenarios
        for cell in results.cells(name)
        if (value := cell.spread("tokens_per_second")) is not None
    )
    return max(found, default=None)


def _encoder_sentence(results: Results) -> str:
    """The mock's part in embeddings and rerank, by CPU: nobody there is near what it can do."""
    found = [
        (value.median, f"{cell.subject}, {cell.point}")
        for name in ("embeddings", "rerank")
        for cell in results.cells(name)
        if (value := cell.spread("backend_factor")) is not None
    ]
    if not found:
        return ""
    factor, where = min(found)
    return (
        " For embeddings and reranking, everyone took at least"
        f" {short(factor)} times the mock's CPU time ({where})."
    )
