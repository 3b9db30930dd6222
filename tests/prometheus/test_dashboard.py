"""The dashboard is what Grafana can show, and is found by the files beside it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.prometheus.expressions import CONFIGURATION, DASHBOARD, DEPLOY, PROVISIONING, dashboard

ROWS = ["Now", "Traffic", "Latency", "Tokens", "Saturation", "Errors and breakers", "Triton"]
KINDS = {"timeseries", "stat", "heatmap", "state-timeline"}
WIDTH = 24


def shown() -> list[dict[str, Any]]:
    """The panels without the rows' titles."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_its_rows() -> None:
    panels = dashboard()["panels"]
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == ROWS
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in shown()}) == len(shown())


@pytest.mark.parametrize("panel", shown(), ids=lambda panel: panel["title"])
def test_a_panel(panel: dict[str, Any]) -> None:
    assert panel["type"] in KINDS
    assert panel["description"].endswith(".")
    assert panel["targets"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters)


def test_no_panel_hides_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    for place in places:
        assert 0 <= place["x"] <= WIDTH - place["w"]
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        ), (one, other)


def test_what_is_chosen_is_asked_for() -> None:
    variables = {each["name"] for each in dashboard()["templating"]["list"]}
    assert variables == {"datasource", "model", "instance"}
    for panel in shown():
        for target in panel["targets"]:
            if "openai_api_" in target["expr"]:
                assert "$instance" in target["expr"], panel["title"]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    read = yaml.safe_load(CONFIGURATION.read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == read
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "openai_api.yml").read_text())[
        "providers"
    ]
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
    assert DASHBOARD.parent.name == "dashboards"


def test_prometheus_reads_what_compose_starts() -> None:
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())["services"]
    port = compose["gateway"]["environment"]["METRICS_BIND"].rpartition(":")[2]
    jobs = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in yaml.safe_load(CONFIGURATION.read_text())["scrape_configs"]
    }
    assert jobs == {"openai_api": [f"gateway:{port}"], "triton": ["triton:8002"]}
    assert "./deploy/prometheus/rules:/etc/prometheus/rules:ro" in compose["prometheus"]["volumes"]
