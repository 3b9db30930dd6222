"""promtool's opinion of the files in deploy/prometheus, and of the numbers as text."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from app.observability.exposition import metrics_text
from app.observability.gauges import follow
from tests.observability.test_metrics import Load
from tests.prometheus.expressions import CONFIGURATION, RULE_FILES, RULE_TESTS, alerts, rules
from tests.prometheus.server import promtool

# What it says of names that are vLLM's and of every name with a colon.
ALLOWED = "metric names should not contain ':'"
KEY_LINES = ("authorization:", "  credentials_file: api_key")


def test_the_configuration() -> None:
    ran = promtool("check", "config", CONFIGURATION)
    assert ran.returncode == 0, ran.stderr + ran.stdout


def test_the_configuration_with_a_key(tmp_path: Path) -> None:
    text = CONFIGURATION.read_text()
    for line in KEY_LINES:
        assert f"    # {line}\n" in text
        text = text.replace(f"    # {line}\n", f"    {line}\n")
    path = tmp_path / "prometheus.yml"
    path.write_text(text)
    (tmp_path / "api_key").write_text("sk-monitoring")
    ran = promtool("check", "config", path)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    (job, _) = yaml.safe_load(text)["scrape_configs"]
    assert job["authorization"] == {"credentials_file": "api_key"}


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_the_rules(path: Path) -> None:
    ran = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    assert ran.returncode == 0, ran.stderr + ran.stdout


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_what_the_rules_make_of_series(path: Path) -> None:
    ran = promtool("test", "rules", path)
    assert ran.returncode == 0, ran.stderr + ran.stdout


def test_every_alert_is_tried_when_it_should_fire_and_when_not() -> None:
    tried: dict[str, set[bool]] = {}
    for path in RULE_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                tried.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert tried == {rule["alert"]: {True, False} for rule in alerts()}


def test_every_recorded_number_is_tried() -> None:
    text = "".join(path.read_text() for path in RULE_TESTS)
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    assert recorded
    assert not [name for name in recorded if f"expr: {name}\n" not in text]


def test_the_text_is_what_prometheus_reads() -> None:
    follow({'o"d\\d\nname': Load()})
    ran = promtool("check", "metrics", stdin=metrics_text().decode())
    problems = [line for line in ran.stderr.splitlines() if ALLOWED not in line]
    assert problems == [], ran.stderr
