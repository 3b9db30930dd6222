"""What the components make of the example."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from app.settings import Settings
from tests.deploy.manifests import (
    COMPONENTS,
    Document,
    documents,
    needs_kubectl,
    one,
    with_component,
)
from tests.deploy.test_kubernetes_agreement import BOTH, EVERYTHING, fits, labels, named, ports
from tests.docs.pages import PROJECT

PROMETHEUS = PROJECT / "deploy" / "prometheus"
RULES = (PROMETHEUS / "rules" / "alerts.yml").read_text()
NAME = "app.kubernetes.io/name"


def of_kind(kind: str, found: list[Document]) -> dict[str, Document]:
    """The documents of a kind, by their names."""
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def settings(found: list[Document]) -> dict[str, str]:
    """The variables of the gateway's pods."""
    container = of_kind("Deployment", found)["openai-api"]["spec"]["template"]["spec"]["containers"]
    (source,) = container[0]["envFrom"]
    data: dict[str, str] = of_kind("ConfigMap", found)[source["configMapRef"]["name"]]["data"]
    return data


@pytest.fixture
def monitored(tmp_path: Path) -> list[Document]:
    return with_component("service-monitor", tmp_path)


@pytest.fixture
def traced(tmp_path: Path) -> list[Document]:
    return with_component("tracing", tmp_path)


@pytest.mark.parametrize("folder", BOTH, ids=named)
def test_a_service_monitor_finds_one_service(folder: Path) -> None:
    name = one("Deployment", folder)["metadata"]["name"]
    (monitor,) = (
        each["spec"]
        for each in documents(*COMPONENTS)
        if (each["kind"], each["metadata"]["name"]) == ("ServiceMonitor", name)
    )
    # And not the Service that others use.
    (service,) = (
        each["spec"]
        for each in EVERYTHING
        if each["kind"] == "Service"
        and fits(monitor["selector"]["matchLabels"], each["metadata"]["labels"])
    )
    assert fits(service["selector"], labels(folder))
    (endpoint,) = monitor["endpoints"]
    (port,) = service["ports"]
    assert port["name"] == endpoint["port"]
    assert ports(folder)[port["targetPort"]] == port["port"]


@needs_kubectl
@pytest.mark.parametrize(("name", "job"), [("openai-api", "openai_api"), ("triton", "triton")])
def test_the_operators_jobs_are_those_of_the_alerts(
    monitored: list[Document], name: str, job: str
) -> None:
    monitor = of_kind("ServiceMonitor", monitored)[name]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": job}]
    assert f'{{job="{job}"}}' in RULES
    configured = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    assert job in {each["job_name"] for each in configured}


@needs_kubectl
def test_every_job_of_the_alerts_has_a_monitor(monitored: list[Document]) -> None:
    given = {
        rule["replacement"]
        for monitor in of_kind("ServiceMonitor", monitored).values()
        for rule in monitor["spec"]["endpoints"][0]["relabelings"]
    }
    assert given == set(re.findall(r'job="(\w+)"', RULES))


@needs_kubectl
@pytest.mark.parametrize("name", ["openai-api", "triton"])
def test_no_pod_is_scraped_by_its_annotations_too(monitored: list[Document], name: str) -> None:
    template = of_kind("Deployment", monitored)[name]["spec"]["template"]
    annotations = template["metadata"].get("annotations") or {}
    assert [key for key in annotations if key.startswith("prometheus.io/")] == []


@needs_kubectl
def test_traced_gateways_reach_the_collector_that_they_are_told_of(traced: list[Document]) -> None:
    variables = settings(traced)
    # Beside what they have without it.
    assert Settings.load(variables).tracing
    assert Settings.load(variables).metrics_bind is not None
    collector = urlsplit(variables["OTEL_EXPORTER_OTLP_ENDPOINT"])
    policy = of_kind("NetworkPolicy", traced)["openai-api-tracing"]["spec"]
    template = of_kind("Deployment", traced)["openai-api"]["spec"]["template"]
    chosen = policy["podSelector"]["matchLabels"]
    assert chosen.items() <= template["metadata"]["labels"].items()
    # It adds to the other policy, and takes nothing from it.
    assert policy["policyTypes"] == ["Egress"]
    (rule,) = policy["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": collector.port}]
    (who,) = rule["to"]
    assert who["podSelector"]["matchLabels"][NAME] == collector.hostname
