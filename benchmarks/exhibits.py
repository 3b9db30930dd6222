"""Which charts are drawn from the results, for the report and for the page of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import charts
from benchmarks.bars import token_costs
from benchmarks.plans import BARE, GATEWAY
from benchmarks.results import Cell, Results
from benchmarks.spread import spread

Draw = Callable[[Results, str], str]
"""From the results and the chart's title to its SVG, empty where nothing was measured."""

LATENESS = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A chart; `svg` is empty where its scenario was not measured."""

    name: str
    title: str
    text: str
    svg: str


@dataclass(frozen=True, slots=True)
class _Plan:
    name: str
    title: str
    text: str
    draw: Draw


def exhibits(results: Results) -> list[Exhibit]:
    """Every chart whose scenario was measured."""
    drawn = [
        Exhibit(plan.name, plan.title, plan.text, plan.draw(results, plan.title)) for plan in PLANS
    ]
    return [each for each in drawn if each.svg]


def _lines(scenario: str, figure: str, x_title: str, y_title: str) -> Draw:
    def draw(results: Results, title: str) -> str:
        series = _series(list(results.cells(scenario)), figure)
        return charts.lines(series, x_title, y_title, title) if series else ""

    return draw


def _series(cells: Sequence[Cell], figure: str) -> list[charts.Series]:
    found = []
    for name in dict.fromkeys(cell.subject for cell in cells):
        own = [(cell.x, cell.spread(figure)) for cell in cells if cell.subject == name]
        points = [(x, each) for x, each in own if x is not None and each is not None]
        if points:
            found.append(charts.Series(name, sorted(points, key=lambda point: point[0])))
    return found


def _bars(places: Sequence[tuple[str, str]], figure: str, unit: str) -> Draw:
    """A bar for everyone who was measured at these (scenario, point)s."""

    def draw(results: Results, title: str) -> str:
        rows = [row for place in places for row in _rows(results, place, figure, len(places) > 1)]
        return charts.bars(rows, unit, title) if rows else ""

    return draw


def _rows(
    results: Results, place: tuple[str, str], figure: str, is_one_of_many: bool
) -> list[charts.Row]:
    scenario, point = place
    rows = []
    for cell in results.cells(scenario):
        value = cell.spread(figure)
        if cell.point == point and value is not None:
            label = (
                f"{cell.subject}: {point.rpartition(', ')[2]}" if is_one_of_many else cell.subject
            )
            rows.append(charts.Row(label, cell.subject, [(figure, value)]))
    return rows


def _first_token(results: Results, title: str) -> str:
    rows = []
    for cell in results.cells("paced"):
        values = [(name, cell.spread(f"ttft_{name}_ms")) for name in LATENESS]
        found = [(name, value) for name, value in values if value is not None]
        if found:
            rows.append(charts.Row(f"{cell.subject}, {cell.point}", cell.subject, found))
    return charts.dots(rows, "ms to the first token: p50 / p95 / p99", title) if rows else ""


def _lag(results: Results, title: str) -> str:
    rows = []
    for cell in results.cells("lag"):
        values = [(name, cell.spread(f"lag_{name}_ms")) for name in ("p50", "p99", "max")]
        found = [(name, value) for name, value in values if value is not None]
        if found:
            load = cell.point.replace(" paced streams", "").replace(" prompts", "")
            label = f"{cell.subject}: {load if 'MB' in load else cell.point}"
            rows.append(charts.Row(label, cell.subject, found))
    return charts.dots(rows, "ms until /livez answers: p50 / p99 / max", title) if rows else ""


def _token_growth(results: Results, title: str) -> str:
    series = []
    for subject in (BARE, GATEWAY):
        costs = [(float(x), spread(runs)) for x, runs in token_costs(results, subject).items()]
        points = [(x, each) for x, each in costs if each is not None]
        if points:
            series.append(charts.Series(subject, points))
    return charts.lines(series, "tokens of the answer", "CPU µs per token", title) if series else ""


CONNECTED = "connections"
PLANS = (
    _Plan(
        "throughput",
        "Streamed tokens per second, as fast as the mock serves",
        "One worker on one core; 32 tokens in, 128 out.",
        _lines("unpaced", "tokens_per_second", CONNECTED, "tokens per second"),
    ),
    _Plan(
        "shapes",
        "Streamed tokens per second at 64 connections, by server",
        "32 tokens in, 512 out: the part of the tokens is larger, that of the requests smaller.",
        _bars([("shapes", "32 in, 512 out")], "tokens_per_second", "tokens per second"),
    ),
    _Plan(
        "cpu-paced",
        "CPU per token at a reader's pace, by connections",
        "Each stream makes 20 tokens a second, so every token is a message of its own.",
        _lines("paced", "cpu_us_per_token", CONNECTED, "CPU µs per token"),
    ),
    _Plan(
        "cpu-on-triton",
        "CPU per token on the real tritonserver, by server",
        "64 streams at 20 tokens a second, all of them open; the requests are not counted.",
        _bars([("paced-real", "64")], "steady_cpu_us_per_token", "CPU µs per token"),
    ),
    _Plan(
        "cpu-steady",
        "CPU per token at a reader's pace, by server",
        "The same on the mock. The proxies' figures are without what their upstream, which is this"
        " server, needs besides.",
        _bars([("steady", "64")], "steady_cpu_us_per_token", "CPU µs per token"),
    ),
    _Plan(
        "cpu-hops",
        "CPU per token of what stands in front, saturated",
        "16 streams as fast as they can, 32 tokens in and 128 out; the proxies again without their"
        " upstream.",
        _bars([("hops", "16 unpaced streams")], "cpu_us_per_token", "CPU µs per token"),
    ),
    _Plan(
        "first-token",
        "Time to the first token of paced streams, by connections",
        "The mock sends the first token 50 ms after the request.",
        _first_token,
    ),
    _Plan(
        "lag",
        "Event-loop lag",
        "How long the server takes to answer /livez on a warm connection while it is at work.",
        _lag,
    ),
    _Plan(
        "growth-output",
        "CPU of a token as the answer grows",
        "FasterTransformer repeats the whole answer in every message. The cost of a request before"
        " its first token is taken off.",
        _token_growth,
    ),
    _Plan(
        "growth-prompt",
        "CPU of a request as the prompt grows",
        "Streams of 16 tokens.",
        _lines("prompt-length", "cpu_us_per_request", "tokens of the prompt", "CPU µs per request"),
    ),
    _Plan(
        "growth-models",
        "CPU of a request as more models are configured",
        "Whole answers of one token; the other models are not asked.",
        _bars(
            [("models", "1"), ("models", "10"), ("models", "50")],
            "cpu_us_per_request",
            "CPU µs per request",
        ),
    ),
    _Plan(
        "embeddings",
        "Requests per second: embeddings of 32 strings with 64 tokens",
        "1,024 dimensions; the bare client tokenises the same strings and makes no JSON.",
        _bars(
            [("embeddings", "32 × 64 tokens, base64"), ("embeddings", "32 × 64 tokens, float")],
            "requests_per_second",
            "requests per second",
        ),
    ),
    _Plan(
        "embeddings-cpu",
        "CPU of a request: embeddings of 32 strings with 64 tokens",
        "The same requests.",
        _bars(
            [("embeddings", "32 × 64 tokens, base64"), ("embeddings", "32 × 64 tokens, float")],
            "cpu_us_per_request",
            "CPU µs per request",
        ),
    ),
    _Plan(
        "rerank",
        "Requests per second: 100 documents reranked",
        "Pairs of 64 tokens.",
        _bars(
            [("rerank", "100 documents of 64 tokens")], "requests_per_second", "requests per second"
        ),
    ),
)
