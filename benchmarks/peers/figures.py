"""What a load generator of this benchmark prints: one JSON object, times in milliseconds."""

from __future__ import annotations

import json
import time
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PERCENTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
NUM_SAMPLES = 3  # of error messages


def _seconds() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Figures:
    """What is counted while it runs; the samples are in seconds, every one is kept."""

    requests: int = 0
    tokens: int = 0
    events: int = 0
    bytes: int = 0
    errors: int = 0
    error_samples: list[str] = field(default_factory=list)
    ttft: array[float] = field(default_factory=_seconds)
    gaps: array[float] = field(default_factory=_seconds)
    latency: array[float] = field(default_factory=_seconds)
    started: float = field(default_factory=time.perf_counter)
    cpu_started: float = field(default_factory=time.process_time)

    def add_error(self, text: str) -> None:
        """One more failed request."""
        self.errors += 1
        if len(self.error_samples) < NUM_SAMPLES:
            self.error_samples.append(text)

    def as_json(self, deadline: float, **more: Any) -> str:
        """The object, now or at the deadline, whichever was first; `more` are further entries."""
        counts = ("requests", "errors", "error_samples", "tokens", "events", "bytes")
        times = {"ttft_ms": self.ttft, "gap_ms": self.gaps, "latency_ms": self.latency}
        report = {name: getattr(self, name) for name in counts}
        report["seconds"] = min(time.perf_counter(), deadline) - self.started
        report["cpu_seconds"] = time.process_time() - self.cpu_started
        report |= {name: summary(samples) for name, samples in times.items()}
        return json.dumps(report | more)


def summary(samples: array[float]) -> dict[str, float | None]:
    """Exact percentiles and the mean of seconds, in milliseconds; None where nothing was seen."""
    if not samples:
        return dict.fromkeys((*PERCENTILES, "mean"))
    found = np.percentile(samples, list(PERCENTILES.values()), method="inverted_cdf") * 1e3
    named = dict(zip(PERCENTILES, found.tolist(), strict=True))
    return {**named, "mean": float(np.mean(samples)) * 1e3}
