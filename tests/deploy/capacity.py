"""`python -m tests.deploy.capacity` writes the tables of docs/scaling.md anew.

The first stands on the tables of docs/performance.md, the second on balance.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.deploy.balance import busiest
from tests.docs.pages import PROJECT, sections

PERFORMANCE = PROJECT / "docs" / "performance.md"
SCALING = PROJECT / "docs" / "scaling.md"
# Tokens a second of a paced stream in the measurements.
PACE = 20
WORKERS = (1, 4, 16, 64)
AT_ONCE = (32, 128, 512)

PACED = "Streams at a reader's pace, 20 tokens a second each"
UNPACED = "Streams as fast as they can: 32 tokens in, 128 out"
SHAPES = "Streams as fast as they can at 64 connections"
TRITON = "64 open streams at 20 tokens a second each on the real tritonserver"
PROMPTS = "Longer prompts: 16 streams of 16 tokens"
EMBEDDINGS = "Embeddings with 1,024 dimensions"
TWO = "openai_api, 2 workers"


def figure(heading: str, load: str, column: str, who: str = "openai_api") -> float:
    """A number of docs/performance.md. `column -> p99` is the first p99 behind it."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in sections(PERFORMANCE)[heading].splitlines()
        if line.startswith("|")
    ]
    (cells,) = (line for line in lines if line[:2] == [load, who])
    first, _, quantile = column.partition(" -> ")
    index = lines[0].index(first)
    return float(cells[lines[0].index(quantile, index) if quantile else index].replace(",", ""))


def paced() -> str:
    """What a worker makes of streams at a reader's pace."""
    found = [
        ("one worker", TRITON, "64", "openai_api"),
        *(("one worker", PACED, load, "openai_api") for load in ("64", "256", "1000")),
        ("two workers", "Two workers", "1,000 paced", TWO),
    ]
    names = ["", "streams at once", "cores", "p99 between tokens, ms", "streams of a whole core"]
    return _table(names, [_paced(*each) for each in found])


def _paced(title: str, heading: str, load: str, who: str) -> Sequence[str]:
    cores = figure(heading, load, "its cores", who)
    at_once = cores * 1e6 / figure(heading, load, "CPU µs/token", who) / PACE
    gap = figure(heading, load, "between tokens p50, ms -> p99", who)
    backend = ", real tritonserver" if heading == TRITON else ""
    numbers = (_number(at_once), _number(cores), _number(gap), _number(at_once / cores))
    return title + backend, *numbers


def capacity() -> str:
    """What one worker does on one core."""
    lines = [
        (
            "tokens a second, when the backend is never waited for",
            _figure(UNPACED, "64", "tokens/s"),
        ),
        ("… with prompts of 2,000 tokens", _figure(SHAPES, "2,000 in, 128 out", "tokens/s")),
        (
            "whole answers of 128 tokens a second",
            _figure("Whole answers", "64 connections", "requests/s"),
        ),
        *_prompts(),
        *_embeddings(),
        (
            "reranks of 100 documents of 64 tokens a second",
            _figure("Reranking 100 documents", "100 documents of 64 tokens", "requests/s"),
        ),
        (
            "memory of an open stream, KiB",
            _number(figure("Two workers", "1,000 paced", "KiB/stream", TWO)),
        ),
    ]
    return _table(["one worker on one core", "measured"], lines)


def _prompts() -> Iterator[tuple[str, str]]:
    for load in ("32", "2000", "8000"):
        cpu = figure(PROMPTS, load, "CPU µs/request") / 1000
        yield f"CPU of a request with {int(load):,} tokens in and 16 out, ms", _number(cpu)


def _embeddings() -> Iterator[tuple[str, str]]:
    for num_texts, num_tokens in ((1, 64), (32, 64), (32, 512), (256, 512)):
        load = f"{num_texts} × {num_tokens} tokens, base64"
        found = figure(EMBEDDINGS, load, "requests/s")
        texts = f" ({_number(found * num_texts)} texts)" if num_texts > 1 else ""
        yield f"embedding requests a second: {load}", _number(found) + texts


def machine() -> str:
    """Where the figures come from."""
    text = PERFORMANCE.read_text()
    found = dict(re.findall(r"^\| (processor|cores|commit|date, UTC) \| (.+) \|$", text, re.M))
    return (
        f"From [the measurements](performance.md) of commit `{found['commit']}`, medians of several"
        f" runs on {found['cores']} cores\n({found['processor']}, {found['date, UTC']} UTC).\n"
    )


def balance() -> str:
    """How even the load of several Tritons is."""
    lines = [
        (f"{at_once} requests at once", *(f"{busiest(each, at_once):.2f}" for each in WORKERS))
        for at_once in AT_ONCE
    ]
    names = [f"{each} worker{'s' if each > 1 else ''}" for each in WORKERS]
    return _table(["the busiest of 4 Tritons has, of its share", *names], lines)


def written(text: str) -> str:
    """The page with its tables as they should be."""
    for name, content in (
        ("capacity", f"{machine()}\n{paced()}\n{capacity()}"),
        ("balance", balance()),
    ):
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        start = text.index(begin) + len(begin)
        text = f"{text[:start]}\n{content}\n{text[text.index(end, start) :]}"
    return text


def _figure(heading: str, load: str, column: str) -> str:
    return _number(figure(heading, load, column))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [names, ["---"] * len(names), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


if __name__ == "__main__":
    SCALING.write_text(written(SCALING.read_text()))
