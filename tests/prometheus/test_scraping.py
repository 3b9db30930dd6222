"""Every expression of the dashboard and the rules, asked of a real Prometheus."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from demo.ports import LOOPBACK
from demo.triton import TritonServer
from tests.live.servers import write_configuration
from tests.live.services import service
from tests.live.waiting import wait_until
from tests.prometheus.conftest import PLENTY, Watched
from tests.prometheus.expressions import (
    alerts,
    filled,
    names_in,
    panels,
    rules,
    without_thresholds,
)
from tests.prometheus.server import prometheus
from tests.prometheus.traffic import AWAY, LLM, LONG, NARROW, SLOW

# Longer than a busy machine needs to ask all of it.
RATE_SECONDS = 600
UP = 'up{job="openai_api"}'
# Expressions without data here, and why.
EMPTY = {
    ("GPU use", "A"): "no GPU",
    ("GPU memory", "A"): "no GPU",
    ("GPU memory", "B"): "no GPU",
    "ServerMissing": "absent() of what is there",
}
# As dashboards for vLLM ask; MODEL stands for their variable, RATE for their interval.
VLLM_PANELS = (
    *(
        f"histogram_quantile({share}, sum by (le) (rate(vllm:{name}_bucket{{MODEL}}[RATE])))"
        for name in (
            "e2e_request_latency_seconds",
            "time_per_output_token_seconds",
            "inter_token_latency_seconds",
            "time_to_first_token_seconds",
        )
        for share in (0.5, 0.99)
    ),
    *(
        f"rate(vllm:{name}_sum{{MODEL}}[RATE]) / rate(vllm:{name}_count{{MODEL}}[RATE])"
        for name in (
            "e2e_request_latency_seconds",
            "time_per_output_token_seconds",
            "time_to_first_token_seconds",
        )
    ),
    "rate(vllm:prompt_tokens_total{MODEL}[RATE])",
    "rate(vllm:generation_tokens_total{MODEL}[RATE])",
    "vllm:num_requests_running{MODEL}",
    "vllm:num_requests_waiting{MODEL}",
    "sum by (le) (increase(vllm:request_prompt_tokens_bucket{MODEL}[RATE]))",
    "sum by (le) (increase(vllm:request_generation_tokens_bucket{MODEL}[RATE]))",
    "sum by (finished_reason) (increase(vllm:request_success_total{MODEL}[RATE]))",
    "rate(vllm:request_queue_time_seconds_sum{MODEL}[RATE])",
    "rate(vllm:request_prefill_time_seconds_sum{MODEL}[RATE])",
    "rate(vllm:request_decode_time_seconds_sum{MODEL}[RATE])",
    'count by (model_name) ({__name__=~"vllm:.*",MODEL_ALONE})',
)


def has_data(watched: Watched, expression: str) -> bool:
    """Whether there is a series with a number; 0 divided by 0 is none."""
    return any(not math.isnan(each.value) for each in watched.prometheus.query(expression))


def wait_for_data(watched: Watched, expression: str) -> None:
    wait_until(lambda: has_data(watched, expression), f"data of {expression}", PLENTY)


def known(watched: Watched, expression: str) -> float:
    """The value of the only series, also where the last look at the server came too late."""
    found: list[float] = []

    def is_known() -> bool:
        value = watched.prometheus.value(expression)
        found[:] = [] if value is None else [value]
        return bool(found)

    wait_until(is_known, f"a value of {expression}", PLENTY)
    return found[0]


def test_both_jobs_are_read(watched: Watched) -> None:
    wait_until(
        lambda: {each["health"] for each in watched.prometheus.targets()} == {"up"}, "up", PLENTY
    )
    jobs = {each["labels"]["job"] for each in watched.prometheus.targets()}
    assert jobs == {"openai_api", "triton"}


@pytest.mark.parametrize("key", panels(), ids=lambda key: f"{key[0]} {key[1]}")
def test_a_panel(watched: Watched, key: tuple[str, str]) -> None:
    expression = filled(panels()[key], RATE_SECONDS)
    if key == ("Alerts", "A"):
        # The Triton that is not there makes one fire, in minutes.
        expression = expression.replace('{alertstate="firing"}', "")
    if key in EMPTY:
        assert watched.prometheus.query(expression) == [], EMPTY[key]
    else:
        wait_for_data(watched, expression)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule(watched: Watched, rule: dict[str, str]) -> None:
    if rule.get("alert") in EMPTY:
        assert watched.prometheus.query(rule["expr"]) == [], EMPTY[rule["alert"]]
        for name in names_in(rule["expr"]):
            wait_for_data(watched, name)
        return
    wait_for_data(watched, without_thresholds(rule["expr"]))
    if "record" in rule:
        wait_for_data(watched, rule["record"])


def test_prometheus_finds_nothing_wrong_with_the_rules(watched: Watched) -> None:
    def health() -> set[str]:
        return {rule["health"] for rule in watched.prometheus.rules()}

    wait_until(lambda: health() == {"ok"}, "every rule's evaluation", PLENTY)
    assert len(watched.prometheus.rules()) == len(rules())


def test_the_alerts_are_those_of_the_model_that_is_away(watched: Watched) -> None:
    def pending() -> set[tuple[str, str]]:
        found = watched.prometheus.query("ALERTS")
        return {(each.labels["alertname"], each.labels.get("model", "")) for each in found}

    expected = {("ModelNotReady", AWAY), ("TritonNotReady", AWAY)}
    wait_until(lambda: expected <= pending(), "the pending alerts", PLENTY)
    # A machine that is busy may be late and slow. What is ready and answers is no alert.
    assert (
        not {(name, LLM) for name in ("ModelNotReady", "BreakerOpen", "ManyFailures")} & pending()
    )
    assert {name for name, _ in pending()} <= {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("expression", VLLM_PANELS)
def test_a_panel_for_vllm(watched: Watched, expression: str) -> None:
    alone = f'model_name="{LLM}"'
    expression = expression.replace("MODEL_ALONE", alone).replace("MODEL", alone)
    wait_for_data(watched, expression.replace("RATE", f"{RATE_SECONDS}s"))


def test_the_numbers_are_those_of_the_traffic(watched: Watched) -> None:
    model, traffic = f'{{model="{LLM}"}}', watched.traffic
    value = watched.prometheus.value
    expected: dict[str, float] = {
        f'sum(openai_api_requests_total{{model="{LLM}",status="200"}})': traffic.num_answered,
        f"sum(openai_api_prompt_tokens_total{model})": traffic.num_prompt,
        f"sum(openai_api_completion_tokens_total{model})": traffic.num_completion,
        f"sum(openai_api_request_completion_tokens_sum{model})": traffic.num_completion,
        f"sum(openai_api_answer_seconds_count{model})": traffic.num_answered,
        f"sum(openai_api_time_to_first_token_seconds_count{model})": traffic.num_answered,
        f'openai_api_cancelled_total{{model="{SLOW}"}}': traffic.num_abandoned,
        f'openai_api_choices_finished_total{{model="{SLOW}",finish_reason="abort"}}': (
            traffic.num_abandoned
        ),
        'openai_api_unknown_fields_total{route="/v1/chat/completions"}': traffic.num_unknown,
        f'openai_api_backends_ready{{model="{AWAY}"}}': 0,
        f'openai_api_backends_ready{{model="{LLM}"}}': 1,
        f'openai_api_max_requests_running{{model="{NARROW}"}}': 2,
    }
    for expression, wanted in expected.items():
        wait_until(lambda: value(expression) == wanted, f"{expression} == {wanted}", PLENTY)  # noqa: B023  # called at once


def test_the_times_between_tokens_are_those_of_the_answers(watched: Watched) -> None:
    """Each choice's first message counts none; together they are the answers' time."""
    gaps = "openai_api_time_between_tokens_seconds"
    count = known(watched, f'{gaps}_count{{model="{LLM}"}}')
    seconds = known(watched, f'{gaps}_sum{{model="{LLM}"}}')
    decode = known(watched, f'openai_api_phase_seconds_sum{{model="{LLM}",phase="decode"}}')
    assert 0 < count <= watched.traffic.num_completion
    # Two choices of a request run side by side, so their times may add up to twice the request's.
    assert decode * 0.5 <= seconds <= decode * 2
    assert not math.isnan(seconds)


def test_open_connections_are_more_than_open_requests(watched: Watched) -> None:
    """An idle connection counts until the server closes it."""
    value = watched.prometheus.value
    with watched.service.server.stream("/v1/completions", {"model": SLOW, **LONG}) as stream:
        next(stream.lines())
        wait_until(lambda: (value("openai_api_open_requests") or 0) >= 1, "it", PLENTY)
        wait_until(lambda: (value("openai_api_open_connections") or 0) >= 1, "it", PLENTY)
    assert known(watched, "openai_api_max_connections") == 2 * 2048


def test_a_prometheus_with_a_key(
    tritonserver: TritonServer, tmp_path: Path, entries: dict[str, list[dict[str, object]]]
) -> None:
    """At the server's own port, as the file's comment says; without the key nobody sees them."""
    models = [entry for entry in entries["llm"] if entry["name"] == LLM]
    path = write_configuration(tmp_path / "models.json", {"llm": models})
    lines = ("authorization:", "  credentials_file: api_key")
    (tmp_path / "api_key").write_text("sk-monitoring")
    with service(path, tmp_path / "log", API_KEYS="sk-monitoring", WORKERS="1") as served:
        assert served.server.get("/metrics").status == 401
        edits = {
            "gateway:9100": f"{LOOPBACK}:{served.server.port}",
            "triton:8002": tritonserver.metrics_url.split("/")[2],
            **{f"    # {line}\n": f"    {line}\n" for line in lines},
        }
        with prometheus(tmp_path, edits) as found:
            wait_until(lambda: found.value(UP) == 1, "a look that succeeds", PLENTY)
