"""The signal of the autoscaler: the server has the metric, and the adapter's rule adds it up."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.manifests import GATEWAY, KUBERNETES, one
from tests.live.http import Server
from tests.packages.programs import environment, program

(RULE,) = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())["rules"]
METRIC = "openai_api_requests_running"
# Two models on one pod and one on another, in the namespace that is asked for; one elsewhere.
SERIES = {
    'namespace="a",pod="one",model="chat"': 3,
    'namespace="a",pod="one",model="embed"': 4,
    'namespace="a",pod="two",model="chat"': 5,
    'namespace="b",pod="one",model="chat"': 90,
}


def query() -> str:
    """What the adapter asks Prometheus for the pods of a namespace."""
    asked = {
        "<<.Series>>": METRIC,
        "<<.LabelMatchers>>": 'namespace="a",pod=~"one|two"',
        "<<.GroupBy>>": "pod",
    }
    text: str = RULE["metricsQuery"]
    for template, value in asked.items():
        text = text.replace(template, value)
    assert "<<" not in text
    return text


def test_the_autoscaler_asks_for_what_the_rule_makes() -> None:
    autoscaler = one("HorizontalPodAutoscaler", GATEWAY)["spec"]
    names = [each["pods"]["metric"]["name"] for each in autoscaler["metrics"] if "pods" in each]
    assert names == [METRIC]
    (series,) = re.findall(r"^(\w+)\{", RULE["seriesQuery"])
    matches, made = RULE["name"]["matches"], RULE["name"]["as"].replace("$", "\\")
    assert re.sub(matches, made, series) == METRIC
    labels = set(re.findall(r"(\w+)!=", RULE["seriesQuery"]))
    assert labels == set(RULE["resources"]["overrides"])


def test_the_server_has_the_metric(gateway: Server) -> None:
    assert f"# TYPE {METRIC} gauge" in gateway.get("/metrics").body.decode()


def test_it_is_the_sum_of_a_pods_models(tmp_path: Path) -> None:
    """By Prometheus itself."""
    expected = [("one", 7), ("two", 5)]
    case: dict[str, Any] = {
        "interval": "1m",
        "input_series": [
            {"series": f"{METRIC}{{{labels}}}", "values": f"{value}x5"}
            for labels, value in SERIES.items()
        ],
        "promql_expr_test": [
            {
                "expr": query(),
                "eval_time": "2m",
                "exp_samples": [
                    {"labels": f'{{pod="{pod}"}}', "value": value} for pod, value in expected
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", str(file)],
        env=environment("prometheus"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
