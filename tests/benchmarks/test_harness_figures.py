"""What becomes of a load generator's report and of what the kernel counted."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.figures import Counted, Sampled, figures, steady

TIMES = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0, "mean": 1.5}
RAW: dict[str, Any] = {
    "requests": 10,
    "errors": 0,
    "error_samples": [],
    "seconds": 2.0,
    "tokens": 1000,
    "cpu_seconds": 0.1,
    "ttft_ms": TIMES,
    "gap_ms": {"p50": None, "p95": None, "p99": None, "max": None, "mean": None},
}


def test_cpu_is_that_of_the_server_and_not_of_the_generator() -> None:
    found = figures(RAW, Counted(server=0.5, backend=0.05))
    assert found["cpu_us_per_token"] == pytest.approx(500.0)
    assert found["cpu_us_per_request"] == pytest.approx(50_000.0)
    assert found["server_share"] == pytest.approx(0.25)
    assert found["load_share"] == pytest.approx(0.075)
    assert found["backend_factor"] == pytest.approx(10.0)


def test_a_client_without_a_server_says_itself_what_it_needed() -> None:
    found = figures(RAW, Counted(server=None, backend=0.05))
    assert found["cpu_us_per_token"] == pytest.approx(100.0)
    assert found["load_share"] == pytest.approx(0.025)


def test_rates_are_by_the_second_of_the_run() -> None:
    found = figures(RAW, Counted(server=0.5, backend=0.05))
    assert found["tokens_per_second"] == pytest.approx(500.0)
    assert found["requests_per_second"] == pytest.approx(5.0)
    assert found["ttft_p99_ms"] == 3.0
    assert "gap_p50_ms" not in found


def test_texts_have_no_tokens_per_second() -> None:
    found = figures(RAW, Counted(server=0.5, backend=0.05, has_tokens=False))
    assert "tokens_per_second" not in found
    assert "cpu_us_per_token" not in found


def test_memory_is_shared_out_among_the_streams() -> None:
    found = figures(RAW, Counted(server=0.5, backend=0.0, growth=50 * 2**20, connections=1000))
    assert found["memory_kib_per_stream"] == pytest.approx(51.2)
    assert "backend_factor" not in found


def test_failed_requests_keep_their_errors() -> None:
    raw = {**RAW, "errors": 2, "error_samples": ["status 503"]}
    found = figures(raw, Counted(server=0.5, backend=0.05))
    assert (found["errors"], found["error_samples"]) == (2, ["status 503"])


def test_a_steady_token_costs_what_was_sampled_by_what_the_backend_made() -> None:
    """64 streams at 20 tokens/s for 4 s; the generator counted for 5 s and saw one stream less."""
    raw = {**RAW, "requests": 0, "tokens": 0, "tokens_seen": 6300.0, "gap_ms": TIMES}
    sampled = Sampled(seconds=4.0, server=0.512, beside=0.2, tokens=5120, due=6400)
    found = steady(raw, sampled)
    assert found["steady_cpu_us_per_token"] == pytest.approx(100.0)
    assert found["kept_pace"] == pytest.approx(63 / 64)
    assert (found["server_share"], found["load_share"]) == pytest.approx((0.128, 0.05))
    assert found["gap_p99_ms"] == 3.0
    assert "ttft_p50_ms" not in found
    assert "cpu_us_per_request" not in found
