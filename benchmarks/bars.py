"""What is promised, as ratios within one run, and whether the results keep it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.plans import (
    BARE,
    BARE_ENCODER,
    BASELINE,
    BASELINE_ORJSON,
    GATEWAY,
    GATEWAY_2,
    LITELLM,
)
from benchmarks.results import Results
from benchmarks.spread import Spread, differences, ratios, spread

EXPLANATIONS = Path(__file__).with_name("explanations.toml")
TOKENS, REQUESTS, CPU = "tokens_per_second", "requests_per_second", "cpu_us_per_token"
STEADY_CPU = "steady_cpu_us_per_token"
SATURATED = ("hops", "16 unpaced streams")
SHAPE = ("shapes", "32 in, 512 out")
LENGTHS = ("64", "256", "1024", "2048")
MEGABYTES = "1 MB prompts among 16 paced streams"

Measure = Callable[[Results], Spread | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: the bar holds if the median is `at least` or `at most` the limit."""

    name: str
    what: str
    sense: Literal["at least", "at most"]
    limit: float
    unit: str
    measure: Measure

    def is_met_by(self, value: float) -> bool:
        """Whether this value keeps the promise."""
        return value >= self.limit if self.sense == "at least" else value <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar and what was measured; `is_met` is None where nothing was."""

    bar: Bar
    spread: Spread | None
    is_met: bool | None
    explanation: str


def _ratio(above: tuple[str, str, str], below: tuple[str, str, str], figure: str) -> Measure:
    """The figure at one (scenario, point, subject) against another."""
    return lambda results: ratios(results.values(*above, figure), results.values(*below, figure))


def _figure(place: tuple[str, str, str], figure: str) -> Measure:
    return lambda results: spread(results.values(*place, figure))


def _added_ttft(percentile: str) -> Measure:
    figure = f"ttft_{percentile}_ms"

    def measure(results: Results) -> Spread | None:
        ours = results.values("paced", "64", GATEWAY, figure)
        return differences(ours, results.values("paced", "64", BARE, figure))

    return measure


def _incomplete(results: Results) -> Spread | None:
    """Streams of all runs that did not end as they should."""
    errors = results.values("workers", "1,000 paced", GATEWAY_2, "errors")
    return spread([sum(errors)] if errors else [])


def token_costs(results: Results, subject: str) -> dict[str, list[float]]:
    """CPU microseconds of one more token, by the answer's length, for each run.

    What a request costs before its first token is taken off: it is measured with answers of one
    token, and has nothing to do with how far the answer has grown.
    """
    figure = "cpu_us_per_request"
    first = results.values("output-length", "1", subject, figure)
    found = {}
    for length in LENGTHS:
        whole = results.values("output-length", length, subject, figure)
        pairs = zip(whole, first, strict=False)
        found[length] = [(cost - start) / (int(length) - 1) for cost, start in pairs]
    return found


def _growth(results: Results) -> Spread | None:
    costs = token_costs(results, GATEWAY)
    return ratios(costs[LENGTHS[-1]], costs[LENGTHS[0]])


def _ours(scenario: str, point: str) -> tuple[str, str, str]:
    return scenario, point, GATEWAY


BARS = (
    Bar(
        "unpaced-against-bare",
        "unpaced streamed tokens/s per worker, HTTP included, against the bare grpc.aio client",
        "at least", 0.8, "×",
        _ratio(_ours(*SHAPE), (*SHAPE, BARE), TOKENS),
    ),
    Bar(
        "unpaced-against-baseline",
        "unpaced streamed tokens/s per worker against the FastAPI + grpc.aio baseline",
        "at least", 2.0, "×",
        _ratio(_ours(*SHAPE), (*SHAPE, BASELINE), TOKENS),
    ),
    Bar(
        "unpaced-against-baseline-orjson",
        "unpaced streamed tokens/s per worker against that baseline in its strongest form, with"
        " orjson",
        "at least", 2.0, "×",
        _ratio(_ours(*SHAPE), (*SHAPE, BASELINE_ORJSON), TOKENS),
    ),
    Bar(
        "cpu-on-triton",
        "CPU per streamed token, 64 paced streams on the real Triton, against the FastAPI +"
        " grpc.aio baseline",
        "at most", 0.6, "×",
        _ratio(_ours("paced-real", "64"), ("paced-real", "64", BASELINE), STEADY_CPU),
    ),
    Bar(
        "cpu-on-triton-orjson",
        "CPU per streamed token, 64 paced streams on the real Triton, against the baseline with"
        " orjson",
        "at most", 0.6, "×",
        _ratio(_ours("paced-real", "64"), ("paced-real", "64", BASELINE_ORJSON), STEADY_CPU),
    ),
    Bar(
        "cpu-against-litellm",
        "CPU per streamed token of a saturated server, 16 unpaced streams, against LiteLLM without"
        " its upstream's cost",
        "at most", 0.1, "×",
        _ratio(_ours(*SATURATED), (*SATURATED, LITELLM), CPU),
    ),
    Bar(
        "cpu-against-litellm-paced",
        "CPU per streamed token at 64 paced streams, against LiteLLM without its upstream's cost",
        "at most", 0.1, "×",
        _ratio(_ours("steady", "64"), ("steady", "64", LITELLM), STEADY_CPU),
    ),
    Bar(
        "streamed-against-whole",
        "unpaced streamed against whole-answer throughput at 100 connections",
        "at least", 0.9, "×",
        _ratio(
            _ours("streamed-or-whole", "streamed, unpaced"),
            _ours("streamed-or-whole", "whole, unpaced"),
            TOKENS,
        ),
    ),
    Bar(
        "streamed-against-whole-paced",
        "streamed against whole-answer throughput at the pace of a model, 20 tokens/s for each"
        " stream",
        "at least", 0.9, "×",
        _ratio(
            _ours("streamed-or-whole", "streamed, paced"),
            _ours("streamed-or-whole", "whole, paced"),
            TOKENS,
        ),
    ),
    Bar(
        "ttft-p50",
        "added time to first token, p50 at 64 paced streams, over the bare client",
        "at most", 3.0, "ms",
        _added_ttft("p50"),
    ),
    Bar(
        "ttft-p99",
        "added time to first token, p99 at 64 paced streams, over the bare client",
        "at most", 15.0, "ms",
        _added_ttft("p99"),
    ),
    Bar(
        "thousand-complete",
        "1,000 paced streams, 2 workers: streams that do not complete",
        "at most", 0.0, "",
        _incomplete,
    ),
    Bar(
        "thousand-pace",
        "1,000 paced streams, 2 workers: p99 of the time between tokens (the pace is 50 ms)",
        "at most", 100.0, "ms",
        _figure(("workers", "1,000 paced", GATEWAY_2), "gap_p99_ms"),
    ),
    Bar(
        "thousand-memory",
        "1,000 paced streams, 2 workers: memory of a stream",
        "at most", 100.0, "KiB",
        _figure(("workers", "1,000 paced", GATEWAY_2), "memory_kib_per_stream"),
    ),
    Bar(
        "embeddings-base64",
        "32 strings as base64, requests/s against a bare tritonclient loop that tokenises the same",
        "at least", 0.9, "×",
        _ratio(
            _ours("embeddings", "32 × 64 tokens, base64"),
            ("embeddings", "32 × 64 tokens, base64", BARE_ENCODER),
            REQUESTS,
        ),
    ),
    Bar(
        "embeddings-float",
        "32 strings as JSON floats, requests/s against that loop",
        "at least", 0.6, "×",
        _ratio(
            _ours("embeddings", "32 × 64 tokens, float"),
            ("embeddings", "32 × 64 tokens, float", BARE_ENCODER),
            REQUESTS,
        ),
    ),
    Bar(
        "output-growth",
        "CPU of a token in answers of 2,048 tokens against answers of 64",
        "at most", 1.2, "×",
        _growth,
    ),
    Bar(
        "lag-p99",
        "event-loop lag with 1 MB prompts arriving, p99",
        "at most", 50.0, "ms",
        _figure(_ours("lag", MEGABYTES), "lag_p99_ms"),
    ),
    Bar(
        "lag-max",
        "event-loop lag with 1 MB prompts arriving, the longest",
        "at most", 200.0, "ms",
        _figure(_ours("lag", MEGABYTES), "lag_max_ms"),
    ),
)  # fmt: skip


def judge(results: Results, explanations: Mapping[str, str] | None = None) -> list[Verdict]:
    """Every bar, in order; explanations are by the bar's name, from `explanations.toml`."""
    told = read_explanations() if explanations is None else explanations
    return [_verdict(bar, bar.measure(results), told.get(bar.name, "")) for bar in BARS]


def read_explanations(path: Path = EXPLANATIONS) -> dict[str, str]:
    """Why a bar is not met, by its name: plain text, with empty lines between paragraphs."""
    return {name: str(text).strip() for name, text in tomllib.loads(path.read_text()).items()}


def _verdict(bar: Bar, measured: Spread | None, explanation: str) -> Verdict:
    is_met = None if measured is None else bar.is_met_by(measured.median)
    return Verdict(bar, measured, is_met, explanation)
