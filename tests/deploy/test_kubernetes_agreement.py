"""What the documents say of each other and of the server is true: names, ports, times, settings."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from app.lifecycle.master import CHECK_LIMIT
from app.registry import LanguageModelSpec, Timeouts
from app.settings import TABLE, Settings
from app.triton.replicas.sites import LOOKUP_INTERVAL
from app.version import VERSION
from tests.deploy.manifests import (
    COMPONENTS,
    EXAMPLE,
    GATEWAY,
    KUBERNETES,
    TRITON,
    Document,
    container,
    documents,
    listed,
    one,
    pod,
    settings,
)
from tests.supply import dockerfile
from tests.supply.test_container_files import SERVICES

BOTH = [GATEWAY, TRITON]
EVERYTHING = documents(GATEWAY, TRITON, *COMPONENTS)
STOP_SECONDS = 2


def named(folder: Path) -> str:
    return folder.name


def ports(folder: Path) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(folder)["ports"]}


def fits(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def labels(folder: Path) -> dict[str, str]:
    found: dict[str, str] = one("Deployment", folder)["spec"]["template"]["metadata"]["labels"]
    return found


def selectors(value: Any) -> list[dict[str, str]]:
    """Every selector of pods in a document."""
    if isinstance(value, list):
        return [found for each in value for found in selectors(each)]
    if not isinstance(value, dict):
        return []
    own = [value["matchLabels"]] if "matchLabels" in value else []
    return own + [found for each in value.values() for found in selectors(each)]


@pytest.mark.parametrize("folder", BOTH, ids=named)
def test_labels_and_selectors_meet(folder: Path) -> None:
    other = {"prometheus", "redis"}
    known = [labels(GATEWAY), labels(TRITON)]
    for document in documents(folder):
        for selector in selectors(document.get("spec", {})):
            assert selector["app.kubernetes.io/name"] in other or any(
                fits(selector, each) for each in known
            )
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert fits(one(kind, folder)["spec"]["selector"]["matchLabels"], labels(folder))
    assert fits(one("Service", folder)["spec"]["selector"], labels(folder))
    assert fits(one("NetworkPolicy", folder)["spec"]["podSelector"]["matchLabels"], labels(folder))


def test_the_gateways_ports_are_those_it_listens_on() -> None:
    (image,) = dockerfile.values("EXPOSE")
    bind = Settings.load(settings()).metrics_bind
    assert bind is not None
    assert ports(GATEWAY) == {"http": int(image), "metrics": int(bind.rpartition(":")[2])}
    scraped = one("Deployment", GATEWAY)["spec"]["template"]["metadata"]["annotations"]
    assert int(scraped["prometheus.io/port"]) == ports(GATEWAY)["metrics"]


def test_every_port_that_is_named_is_one_of_the_pods() -> None:
    for folder in BOTH:
        known = ports(folder)
        spec = container(folder)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert spec[probe]["httpGet"]["port"] in known
        for port in one("Service", folder)["spec"]["ports"]:
            assert port["targetPort"] in known
        for rule in one("NetworkPolicy", folder)["spec"]["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= set(known)


def test_only_the_gateway_reaches_triton_and_only_prometheus_the_metrics() -> None:
    gateway, prometheus = one("NetworkPolicy", TRITON)["spec"]["ingress"]
    assert [each["podSelector"]["matchLabels"] for each in gateway["from"]] == [
        {"app.kubernetes.io/name": labels(GATEWAY)["app.kubernetes.io/name"]}
    ]
    # Without a namespaceSelector: those of its own namespace.
    assert [set(each) for each in gateway["from"]] == [{"podSelector"}]
    assert {port["port"] for port in gateway["ports"]} == {"http", "grpc"}
    for folder in BOTH:
        for rule in one("NetworkPolicy", folder)["spec"]["ingress"]:
            if {"port": "metrics", "protocol": "TCP"} in rule["ports"]:
                (who,) = rule["from"]
                assert who["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "prometheus"
                assert len(rule["ports"]) == 1
    assert {port["port"] for port in prometheus["ports"]} == {"metrics"}


def test_the_gateway_may_reach_what_its_configuration_names() -> None:
    rules = one("NetworkPolicy", GATEWAY)["spec"]["egress"]
    (allowed,) = (
        {port["port"] for port in rule["ports"]}
        for rule in rules
        if "to" in rule and fits(rule["to"][0]["podSelector"]["matchLabels"], labels(TRITON))
    )
    service = one("Service", TRITON)
    assert allowed == {port["port"] for port in service["spec"]["ports"]}
    configuration = json.loads((EXAMPLE / "model_config.json").read_text())
    for section in ("llm", "embedding", "rerank"):
        for entry in configuration.get(section, []):
            host, _, port = entry["url"].partition(":")
            assert host == service["metadata"]["name"]
            assert int(port) == (8001 if section == "llm" else 8000)


def test_tritons_name_has_the_address_of_each() -> None:
    service = one("Service", TRITON)["spec"]
    assert service["clusterIP"] == "None"
    # A port of a Service without an address leads nowhere else.
    for port in service["ports"]:
        assert ports(TRITON)[port["targetPort"]] == port["port"]


def test_every_variable_is_a_setting() -> None:
    assert set(settings()) <= {row.env for row in TABLE}
    Settings.load(settings())


def test_what_variables_name_is_mounted() -> None:
    found = Settings.load(settings())
    mounts = {each["mountPath"]: each for each in container(GATEWAY)["volumeMounts"]}
    volumes = {each["name"]: each for each in pod(GATEWAY)["volumes"]}
    assert found.api_keys_file is not None
    (generator,) = (
        each
        for each in listed(EXAMPLE)["configMapGenerator"]
        if each["name"] == volumes["configuration"]["configMap"]["name"]
    )
    assert mounts[str(found.config_file.parent)]["name"] == "configuration"
    assert generator["files"] == [found.config_file.name]
    assert mounts[str(found.api_keys_file.parent)]["name"] == "keys"
    # Files that are mounted one by one are never renewed.
    assert [name for name, each in mounts.items() if "subPath" in each] == []


def test_the_time_to_end_is_enough() -> None:
    found = Settings.load(settings())
    needed = found.drain_delay + found.graceful_timeout + STOP_SECONDS
    # A preStop hook counts too; SIGTERM comes behind it.
    assert "lifecycle" not in container(GATEWAY)
    assert needed <= pod(GATEWAY)["terminationGracePeriodSeconds"] <= needed + 10
    # Time for proxies to see that the pod is gone.
    assert found.drain_delay >= 5


def test_tritons_time_to_end_is_enough() -> None:
    spec = container(TRITON)
    (exit_timeout,) = re.findall(r"--exit-timeout-secs=(\d+)", " ".join(spec["args"]))
    (_, pause) = spec["lifecycle"]["preStop"]["exec"]["command"]
    assert int(pause) > 2 * LOOKUP_INTERVAL
    grace = pod(TRITON)["terminationGracePeriodSeconds"]
    assert int(pause) + int(exit_timeout) < grace
    assert int(exit_timeout) >= Timeouts().first_token


def test_the_start_has_time_for_the_check() -> None:
    probe = container(GATEWAY)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > CHECK_LIMIT


def test_a_worker_that_hangs_is_gunicorns_before_it_is_kubernetes() -> None:
    probe = container(GATEWAY)["livenessProbe"]
    config = (KUBERNETES.parents[1] / "gunicorn.conf.py").read_text()
    (timeout,) = re.findall(r"^timeout = (\d+)$", config, re.MULTILINE)
    assert probe["periodSeconds"] * probe["failureThreshold"] > int(timeout)


def test_a_pod_runs_as_in_its_image_and_without_rights() -> None:
    (user,) = dockerfile.values("USER")
    assert pod(GATEWAY)["securityContext"]["runAsUser"] == int(user)
    for folder in BOTH:
        spec = pod(folder)
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        own = container(folder)["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        shared = {"hostNetwork", "hostPID", "hostIPC", "hostPath"}
        assert shared & (spec.keys() | {key for each in spec["volumes"] for key in each}) == set()


def test_nothing_but_memory_and_caches_can_be_written() -> None:
    for folder in BOTH:
        kinds = {each["name"]: set(each) - {"name"} for each in pod(folder)["volumes"]}
        for mount in container(folder)["volumeMounts"]:
            assert mount.get("readOnly") or kinds[mount["name"]] == {"emptyDir"}


def test_memory_is_what_compose_gives() -> None:
    limit = container(GATEWAY)["resources"]["limits"]["memory"]
    assert limit == SERVICES["gateway"]["mem_limit"].upper() + "i"
    (tmp,) = (each["emptyDir"] for each in pod(GATEWAY)["volumes"] if each["name"] == "tmp")
    size = tmp["sizeLimit"].removesuffix("Mi")
    assert f"size={size}m" in SERVICES["gateway"]["tmpfs"][0]


def test_triton_is_closed_as_in_compose() -> None:
    given = [each for each in container(TRITON)["args"] if "restricted" in each or "mode" in each]
    in_compose = [
        re.sub(r"\$\{TRITON_KEY.*\}", "$(TRITON_KEY)", each)
        for each in SERVICES["triton"]["command"]
        if "restricted" in each or "mode" in each
    ]
    assert given == in_compose
    assert {"name": "TRITON_KEY"}.items() <= container(TRITON)["env"][-1].items()


def test_each_worker_has_a_core() -> None:
    requested = container(GATEWAY)["resources"]["requests"]["cpu"]
    assert int(requested) == Settings.load(settings()).workers


def test_the_signal_is_far_below_what_a_pod_admits() -> None:
    autoscaler = one("HorizontalPodAutoscaler", GATEWAY)["spec"]
    (requests,) = (each["pods"] for each in autoscaler["metrics"] if each["type"] == "Pods")
    wanted = int(requests["target"]["averageValue"])
    (default,) = (each.default for each in fields(LanguageModelSpec) if each.name == "max_inflight")
    configuration = json.loads((EXAMPLE / "model_config.json").read_text())
    for entry in configuration["llm"]:
        most = entry.get("max_inflight", default) * Settings.load(settings()).workers
        # Otherwise requests would be refused and no pod be added.
        assert wanted <= 0.6 * most
    assert autoscaler["minReplicas"] > one("PodDisruptionBudget", GATEWAY)["spec"]["maxUnavailable"]
    assert {each["type"] for each in autoscaler["metrics"]} == {"Pods", "Resource"}


def test_nothing_sets_the_number_of_gateways_back() -> None:
    deployment = one("Deployment", GATEWAY)
    assert "replicas" not in deployment["spec"]
    target = one("HorizontalPodAutoscaler", GATEWAY)["spec"]["scaleTargetRef"]
    assert target == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }


def test_the_example_names_this_version() -> None:
    images = {each["name"]: each for each in listed(EXAMPLE)["images"]}
    assert set(images) == {container(GATEWAY)["image"], container(TRITON)["image"]}
    assert str(images[container(GATEWAY)["image"]]["newTag"]) == VERSION


def test_no_key_is_in_the_repository() -> None:
    assert [each for each in EVERYTHING if each["kind"] == "Secret"] == []


def test_documents_are_told_apart() -> None:
    found: list[Document] = EVERYTHING
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(names) == len(set(names))
