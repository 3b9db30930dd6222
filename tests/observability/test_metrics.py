"""What is counted, and under which labels."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.errors import (
    BackendError,
    BackendModelMissing,
    BackendTimeout,
    BackendUnavailable,
    InternalError,
    InvalidRequest,
    ModelOverloaded,
)
from app.observability import metrics
from app.observability.exposition import metrics_text
from app.observability.gauges import follow, sample
from app.observability.metrics import Answered
from tests.observability.samples import Samples
from tests.observability.tallies import finished


@dataclass
class Load:
    num_inflight: int = 0
    num_waiting: int = 0
    max_inflight: int = 8
    max_queue: int = 4


def answered(route: str | None, model: str, status: int, seconds: float) -> Answered:
    return Answered(route, model, status, 100.0, 100.0 + seconds)


@pytest.fixture(autouse=True)
def models() -> dict[str, Load]:
    loads = {"one": Load(), "two": Load()}
    follow(loads)
    return loads


def read() -> Samples:
    return Samples(metrics_text().decode())


def test_a_request_is_counted_by_route_model_and_status() -> None:
    before = read()
    metrics.request_answered(answered("/v1/x", "one", 200, 0.3))
    after = read()
    labels = {"route": "/v1/x", "model": "one"}
    for name, more in (
        ("requests_total", {**labels, "status": "200"}),
        ("request_duration_seconds_count", labels),
    ):
        assert after.value(name, **more) == before.value(name, **more) + 1
    bucket = "request_duration_seconds_bucket"
    for edge, num_more in (("0.25", 0), ("0.5", 1)):
        assert (
            after.value(bucket, **labels, le=edge)
            == before.value(bucket, **labels, le=edge) + num_more
        )


@pytest.mark.parametrize("given", ["three", "", "one\n", 'o"ne', "-", "\ud800"])
def test_a_model_that_is_not_configured_is_no_label(given: str) -> None:
    before = read()
    metrics.request_answered(answered(None, given, 404, 0.1))
    metrics.request_failed(given, BackendError("x"))
    after = read()
    labels = {"route": "-", "model": "-", "status": "404"}
    assert after.value("requests_total", **labels) == before.value("requests_total", **labels) + 1
    assert given == "-" or given not in after.labels("model")


def test_a_client_that_went_away_is_counted() -> None:
    before = read().value("cancelled_total", model="one")
    metrics.request_answered(answered("/v1/x", "one", 499, 0.1))
    assert read().value("cancelled_total", model="one") == before + 1


@pytest.mark.parametrize(
    "error",
    [BackendError("x"), BackendUnavailable("x"), BackendModelMissing("x"), BackendTimeout("x")],
)
def test_a_failure_of_the_backend_is_counted_by_its_code(error: BackendError) -> None:
    labels = {"model": "two", "kind": str(error.code)}
    before = read().value("backend_errors_total", **labels)
    metrics.request_failed("two", error)
    assert read().value("backend_errors_total", **labels) == before + 1


@pytest.mark.parametrize("error", [InternalError("x"), InvalidRequest("x"), ModelOverloaded("x")])
def test_no_other_failure_is_the_backend_s(error: InternalError) -> None:
    before = read().total("backend_errors_total")
    metrics.request_failed("two", error)
    assert read().total("backend_errors_total") == before


def test_counters_begin_at_nothing_so_that_their_first_step_is_seen() -> None:
    follow({"fresh": Load()})
    names = {name for name, labels in read().values if ("model", "fresh") in labels}
    assert {
        "openai_api_prompt_tokens_total",
        "openai_api_completion_tokens_total",
        "openai_api_cancelled_total",
        "openai_api_backend_retries_total",
        "openai_api_requests_running",
        "openai_api_requests_waiting",
    } <= names


def test_the_load_is_what_it_is_when_it_is_looked_at(models: dict[str, Load]) -> None:
    models["one"].num_inflight, models["one"].num_waiting = 3, 2
    sample()
    found = read()
    assert found.value("requests_running", model="one") == 3
    assert found.value("requests_waiting", model="one") == 2
    assert found.value("requests_running", model="two") == 0
    assert found.value("max_requests_running", model="one") == 8
    assert found.value("max_requests_waiting", model="one") == 4


def test_what_backends_report() -> None:
    before = read().value("backend_retries_total", model="one")
    metrics.backend_retried("one")
    assert read().value("backend_retries_total", model="one") == before + 1
    for state, number in (("open", 2), ("half_open", 1), ("closed", 0)):
        metrics.breaker_changed("one", 1, state)
        assert read().value("backend_breaker_state", model="one", replica="1") == number


def test_fields_that_nobody_knows_are_counted_without_their_names() -> None:
    before = read().value("unknown_fields_total", route="/v1/x")
    metrics.fields_ignored("/v1/x", 3)
    assert read().value("unknown_fields_total", route="/v1/x") == before + 3


def test_the_tritons_that_are_ready() -> None:
    metrics.backends_asked("one", 1, 3)
    found = read()
    assert found.value("backends", model="one") == 3
    assert found.value("backends_ready", model="one") == 1


def test_the_process_is_there_under_the_names_that_dashboards_know() -> None:
    names = {name for name, _ in read().values}
    assert {
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "openai_api_build_info",
    } <= names


def test_a_model_of_three_apis_that_fails_in_every_way_has_at_most_70_series() -> None:
    follow({"busy": Load()})
    for route in ("/v1/completions", "/v1/chat/completions", "/v1/responses"):
        for status in (200, 400, 429, 499, 502, 503, 504):
            metrics.request_answered(finished(route, "busy", status))
    metrics.backends_asked("busy", 1, 2)
    metrics.request_queued("busy", 0.1)
    for error in (BackendError("x"), BackendUnavailable("x"), BackendTimeout("x")):
        metrics.request_failed("busy", error)
    for replica in range(2):
        metrics.breaker_changed("busy", replica, "closed")
    found = [
        name
        for name, labels in read().values
        if ("model", "busy") in labels and not name.endswith("_bucket")
    ]
    assert len(found) <= 70


def test_a_model_that_is_configured_no_more_has_no_load() -> None:
    follow({"old": Load(3, 2)})
    metrics.backends_asked("old", 0, 2)
    assert read().value("requests_running", model="old") == 3
    follow({"new": Load(1, 0)})
    found = read()
    assert found.value("requests_running", model="old") == 0
    assert found.value("requests_waiting", model="old") == 0
    assert found.value("max_requests_running", model="old") == 0
    assert found.value("backends", model="old") == 0
    assert found.value("requests_running", model="new") == 1
    # A question that was under way when it was taken out.
    metrics.backends_asked("old", 0, 2)
    assert read().value("backends", model="old") == 0
