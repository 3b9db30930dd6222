"""What the files in deploy/ ask of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIGURATION = DEPLOY / "prometheus" / "prometheus.yml"
RULE_FILES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "openai_api.json"
PROVISIONING = DEPLOY / "grafana" / "provisioning"

NAME = re.compile(r"\b[a-zA-Z_][\w:]*(?=[{\[\s)]|$)")
METRIC = re.compile(r"^(?:openai_api|process|nv|vllm|model|instance|up|ALERTS)(?:[_:]\w|$)")
COMPARISON = re.compile(r"(==|>|<)(?=\s)(?! bool)")


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """Every rule of every file."""
    return tuple(
        rule
        for path in RULE_FILES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    )


def alerts() -> list[dict[str, Any]]:
    """Those that alert."""
    return [rule for rule in rules() if "alert" in rule]


@cache
def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> Mapping[tuple[str, str], str]:
    """The dashboard's expressions, by the panel's title and the query's letter."""
    return {
        (panel["title"], target["refId"]): target["expr"]
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    }


def filled(expression: str, seconds: int) -> str:
    """A panel's expression with the values that Grafana puts in, for rates over `seconds`."""
    expression = expression.replace("$__rate_interval", f"{seconds}s")
    return re.sub(r"\$(model|instance)\b", ".*", expression)


def without_thresholds(expression: str) -> str:
    """An alert's expression that gives 0 where it would not fire, and not nothing."""
    return COMPARISON.sub(r"\1 bool", expression)


def names_in(expression: str) -> Iterator[str]:
    """The metrics that it asks for."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    plain = re.sub(r"\b(by|on|unless on|group_left)\s*\([^)]*\)", " ", plain)
    return (name for name in NAME.findall(plain) if METRIC.match(name))
