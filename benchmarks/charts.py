"""Charts as SVG, without scripts, fonts or anything from elsewhere.

A chart's colours are classes, which `STYLE` gives their values, light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.plans import (
    BARE,
    BARE_ENCODER,
    BARE_UVLOOP,
    BASELINE,
    BASELINE_ORJSON,
    CEILING,
    GATEWAY,
    GATEWAY_2,
    INFINITY,
    LITELLM,
    MODELS_10,
    MODELS_50,
    ROUTER,
)
from benchmarks.scales import Scale, from_zero, short, ticks
from benchmarks.spread import Spread

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 70, 200, 14, 44
LINE_HEIGHT, ROW_HEIGHT, LABEL_WIDTH, VALUE_WIDTH = 320, 26, 250, 150

# Who is measured has the same colour in every chart; our own processes share one.
COLOURS = {
    GATEWAY: "c1", GATEWAY_2: "c1", MODELS_10: "c1", MODELS_50: "c1",
    BARE: "c0", BARE_UVLOOP: "c0", BARE_ENCODER: "c0", CEILING: "c0",
    BASELINE_ORJSON: "c2", BASELINE: "c3", LITELLM: "c4", ROUTER: "c5", INFINITY: "c6",
}  # fmt: skip

PALETTE = {
    "c0": ("#6b7280", "#9aa3b2"),
    "c1": ("#2a78d6", "#4b93ea"),
    "c2": ("#1b9e77", "#2bb58b"),
    "c3": ("#d98e04", "#e0a12b"),
    "c4": ("#d64545", "#e86a6a"),
    "c5": ("#6d4fc4", "#9b85ea"),
    "c6": ("#c2478f", "#dd72ae"),
}


def _colours(shade: int) -> str:
    return "".join(f".{name}{{color:{both[shade]}}}" for name, both in PALETTE.items())


STYLE = (
    "svg text{font:12px system-ui,sans-serif;fill:#1f2937}svg .muted{fill:#6b7280}"
    "svg .grid{stroke:#e5e7eb}svg .axis{stroke:#9ca3af}" + _colours(0) + "@media"
    "(prefers-color-scheme:dark){svg text{fill:#e5e7eb}svg .muted{fill:#9aa3b2}"
    "svg .grid{stroke:#2d3542}svg .axis{stroke:#566072}" + _colours(1) + "}"
)


@dataclass(frozen=True, slots=True)
class Series:
    """One subject's line: a spread for each x."""

    name: str
    points: Sequence[tuple[float, Spread]]


@dataclass(frozen=True, slots=True)
class Row:
    """One bar or group of dots: what it is, whose, and its values with their names."""

    label: str
    subject: str
    values: Sequence[tuple[str, Spread]]


def lines(series: Sequence[Series], x_title: str, y_title: str, title: str) -> str:
    """Lines over a logarithmic x, with whiskers from the lowest to the highest run."""
    xs = sorted({x for each in series for x, _ in each.points})
    highest = [spread.high for each in series for _, spread in each.points]
    x_scale = Scale(xs[0], xs[-1], LEFT, WIDTH - RIGHT, is_log=True)
    y_scale = from_zero(highest, LINE_HEIGHT - BOTTOM, TOP)
    parts = [*_y_axis(y_scale, y_title), *_x_axis(x_scale, xs, x_title)]
    for each in series:
        parts += _line(each, x_scale, y_scale)
    return _svg(LINE_HEIGHT, title, [*parts, *_line_names(series, y_scale)])


def bars(rows: Sequence[Row], unit: str, title: str) -> str:
    """One horizontal bar for each row, with its median and a whisker."""
    scale = _value_scale(rows)
    parts: list[str] = []
    for place, row in enumerate(rows):
        parts += _bar(row, scale, TOP + place * ROW_HEIGHT)
    return _svg(_rows_height(rows), title, [*parts, *_value_axis(scale, rows, unit)])


def dots(rows: Sequence[Row], unit: str, title: str) -> str:
    """The medians of several percentiles on one line for each row, named above the dots."""
    scale = _value_scale(rows)
    parts: list[str] = []
    for place, row in enumerate(rows):
        parts += _dots(row, scale, TOP + place * ROW_HEIGHT + ROW_HEIGHT / 2)
    return _svg(_rows_height(rows), title, [*_value_axis(scale, rows, unit), *parts])


def _svg(height: float, title: str, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img"'
    return f'{head} aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, words: str, anchor: str = "start", style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def _stroke(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{style}"/>'


def _y_axis(scale: Scale, title: str) -> Iterable[str]:
    for value in ticks(scale):
        y = scale.at(value)
        yield _stroke(LEFT, y, WIDTH - RIGHT, y, "grid")
        yield _text(LEFT - 8, y + 4, short(value), "end", "muted")
    middle = LINE_HEIGHT / 2
    yield (
        f'<text transform="translate(14 {middle:g}) rotate(-90)" text-anchor="middle"'
        f' class="muted">{escape(title)}</text>'
    )


def _x_axis(scale: Scale, xs: Sequence[float], title: str) -> Iterable[str]:
    base = LINE_HEIGHT - BOTTOM
    yield _stroke(LEFT, base, WIDTH - RIGHT, base, "axis")
    yield from (_text(scale.at(x), base + 17, f"{x:,g}", "middle", "muted") for x in xs)
    yield _text((LEFT + WIDTH - RIGHT) / 2, base + 36, title, "middle", "muted")


def _line(series: Series, x_scale: Scale, y_scale: Scale) -> Iterable[str]:
    places = [(x_scale.at(x), y_scale.at(each.median)) for x, each in series.points]
    path = " ".join(f"{x:g},{y:g}" for x, y in places)
    yield f'<g class="{COLOURS.get(series.name, "c0")}" stroke="currentColor" fill="currentColor">'
    yield f'<polyline points="{path}" fill="none" stroke-width="2"/>'
    for (x, each), (left, y) in zip(series.points, places, strict=True):
        yield _stroke(left, y_scale.at(each.low), left, y_scale.at(each.high), "whisker")
        told = f"{series.name}, {x:,g}: {_told(each)}"
        yield f'<circle cx="{left:g}" cy="{y:g}" r="4"><title>{escape(told)}</title></circle>'
    yield "</g>"


def _line_names(series: Sequence[Series], scale: Scale) -> Iterable[str]:
    """Names at the lines' ends, pushed apart so that they do not lie on one another."""
    ends = sorted((scale.at(each.points[-1][1].median), each.name) for each in series)
    free = 0.0
    for y, name in ends:
        free = max(y + 4, free)
        yield (
            f'<circle cx="{WIDTH - RIGHT + 16}" cy="{free - 4:g}" r="4" fill="currentColor"'
            f' class="{COLOURS.get(name, "c0")}"/>'
        )
        yield _text(WIDTH - RIGHT + 26, free, name)
        free += 18


def _value_scale(rows: Sequence[Row]) -> Scale:
    values = [spread.high for row in rows for _, spread in row.values]
    return from_zero(values, LABEL_WIDTH, WIDTH - VALUE_WIDTH)


def _rows_height(rows: Sequence[Row]) -> float:
    return TOP + len(rows) * ROW_HEIGHT + BOTTOM


def _value_axis(scale: Scale, rows: Sequence[Row], unit: str) -> Iterable[str]:
    base = TOP + len(rows) * ROW_HEIGHT + 4
    yield _stroke(scale.start, base, scale.end, base, "axis")
    for value in ticks(scale):
        yield _text(scale.at(value), base + 17, short(value), "middle", "muted")
    yield _text((scale.start + scale.end) / 2, base + 34, unit, "middle", "muted")


def _bar(row: Row, scale: Scale, top: float) -> Iterable[str]:
    (_, spread), middle = row.values[0], top + ROW_HEIGHT / 2
    width = max(scale.at(spread.median) - scale.start, 1)
    yield _text(scale.start - 10, middle + 4, row.label, "end")
    yield f'<g class="{COLOURS.get(row.subject, "c0")}" stroke="currentColor" fill="currentColor">'
    yield (
        f'<rect x="{scale.start:g}" y="{top + 5:g}" width="{width:g}" height="{ROW_HEIGHT - 10}"'
        f' rx="2" stroke="none"><title>{escape(f"{row.label}: {_told(spread)}")}</title></rect>'
    )
    yield _stroke(scale.at(spread.low), middle, scale.at(spread.high), middle, "whisker") + "</g>"
    yield _text(scale.at(spread.high) + 8, middle + 4, short(spread.median))


def _dots(row: Row, scale: Scale, y: float) -> Iterable[str]:
    places = [scale.at(spread.median) for _, spread in row.values]
    yield _text(scale.start - 10, y + 4, row.label, "end")
    yield f'<g class="{COLOURS.get(row.subject, "c0")}" stroke="currentColor" fill="currentColor">'
    yield _stroke(min(places), y, max(places), y, "whisker")
    for radius, x, (name, spread) in zip((5, 4, 3), places, row.values, strict=False):
        told = escape(f"{row.label}, {name}: {_told(spread)}")
        yield f'<circle cx="{x:g}" cy="{y:g}" r="{radius}"><title>{told}</title></circle>'
    yield "</g>"
    yield _text(max(places) + 9, y + 4, " / ".join(short(each.median) for _, each in row.values))


def _told(spread: Spread) -> str:
    return f"{short(spread.median)} ({short(spread.low)} to {short(spread.high)})"
