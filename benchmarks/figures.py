"""The figures of one run, from what the load generator printed and what the kernel counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TIMES = {"ttft_ms": "ttft", "gap_ms": "gap", "latency_ms": "latency"}
PERCENTILES = ("p50", "p95", "p99", "max")

Figures = dict[str, Any]
"""Numbers by name; and, where requests failed, some of the errors."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the kernel counted in one run, in seconds of CPU and bytes.

    `server` is None for a client without a server, which says itself what it needed. `growth` is
    memory since the warm-up. `has_tokens` is whether the answers are tokens.
    """

    server: float | None
    backend: float
    growth: int | None = None
    connections: int = 1
    has_tokens: bool = True


def figures(raw: Mapping[str, Any], counted: Counted) -> Figures:
    """Times in milliseconds, CPU in microseconds, memory in KiB, rates by the second.

    `server_share` and `load_share` are how many cores the server took, and the backend together
    with the load generator. `backend_factor` is how often the backend could have done, in the
    server's CPU time, what it did: where the server is what holds the run up, how much faster the
    backend is.
    """
    seconds, requests = raw["seconds"], raw["requests"]
    tokens = raw["tokens"] if counted.has_tokens else 0
    generator = raw.get("cpu_seconds", 0.0)
    server = generator if counted.server is None else counted.server
    beside = counted.backend + (0.0 if counted.server is None else generator)
    found = {
        "seconds": seconds,
        "requests": requests,
        "errors": raw["errors"],
        "requests_per_second": requests / seconds,
        "server_share": server / seconds,
        "load_share": beside / seconds,
    }
    found |= _divided("tokens_per_second", tokens, seconds if tokens else 0)
    found |= _divided("backend_factor", server, counted.backend)
    found |= _divided("cpu_us_per_token", server * 1e6, tokens)
    found |= _divided("cpu_us_per_request", server * 1e6, requests)
    return found | _memory(counted) | _times(raw) | _failures(raw)


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the kernel counted while all paced streams were open, in seconds of time and CPU.

    `tokens` are those that the backend makes in these seconds, `due` those that it makes while
    the generator counts.
    """

    seconds: float
    server: float
    beside: float
    tokens: float
    due: float


def steady(raw: Mapping[str, Any], sampled: Sampled) -> Figures:
    """CPU of a token without that of its request, in microseconds.

    `kept_pace` is how many of the tokens that were due came, each as an event of its own. Where it
    is far below 1, the server was late or sent several tokens in one event, and the figure is too
    low to be compared.
    """
    return {
        "seconds": sampled.seconds,
        "errors": raw["errors"],
        "steady_cpu_us_per_token": sampled.server * 1e6 / sampled.tokens,
        "kept_pace": raw["tokens_seen"] / sampled.due,
        "server_share": sampled.server / sampled.seconds,
        "load_share": sampled.beside / sampled.seconds,
        **_times(raw, ("gap_ms",)),
        **_failures(raw),
    }


def _divided(name: str, value: float, by: float) -> Figures:
    return {name: value / by} if by else {}


def _memory(counted: Counted) -> Figures:
    if counted.growth is None:
        return {}
    return {"memory_kib_per_stream": counted.growth / 1024 / counted.connections}


def _failures(raw: Mapping[str, Any]) -> Figures:
    return {"error_samples": raw["error_samples"]} if raw["errors"] else {}


def _times(raw: Mapping[str, Any], keys: Iterable[str] = TIMES) -> Figures:
    return {
        f"{TIMES[key]}_{percentile}_ms": raw[key][percentile]
        for key in keys
        for percentile in PERCENTILES
        if raw.get(key) and raw[key].get(percentile) is not None
    }


def lag(raw: Mapping[str, Any]) -> Figures:
    """The latencies of /livez that the probe printed."""
    return {f"lag_{key}_ms": raw["latency_ms"][key] for key in PERCENTILES}
