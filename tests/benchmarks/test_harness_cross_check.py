"""What is read of the generators of others."""

from __future__ import annotations

from benchmarks.cross_check import read_aiperf
from benchmarks.results import Results
from benchmarks.tables import cross_check_table

AIPERF = {
    "request_throughput": {"unit": "requests/sec", "avg": 5.0},
    "request_latency": {"unit": "ms", "avg": 3078.9, "p50": 3067.9},
    "time_to_first_token": {"unit": "ms", "avg": 101.8, "p50": 98.1},
    "inter_chunk_latency": {"unit": "ms", "avg": 50.9, "p50": 50.0},
}


def test_medians_are_read_and_no_means() -> None:
    assert read_aiperf(AIPERF) == {
        "requests_per_second": 5.0,
        "latency_p50_ms": 3067.9,
        "ttft_p50_ms": 98.1,
        "gap_p50_ms": 50.0,
        "errors": 0,
    }


def test_failed_requests_are_not_lost() -> None:
    assert read_aiperf({**AIPERF, "error_request_count": {"avg": 3.0}})["errors"] == 3.0


def test_both_generators_are_beside_each_other() -> None:
    runs = [{"requests_per_second": 10.0}, {"requests_per_second": 12.0}]
    rows = [{"what": "w", "generator": name, "runs": runs} for name in ("http_load", "aiperf")]
    table = cross_check_table(Results({"cross_check": rows, "scenarios": []}))
    assert table.headings == ("load", "generator", "requests/s")
    assert table.rows[0] == ("w", "http_load", "11 (10 to 12)")
    assert table.rows[1][1] == "aiperf"
