"""Prometheus and Grafana of compose.yaml: what they read is where they look for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from app.settings import Settings
from tests.docs.pages import PROJECT
from tests.packages.programs import environment, program
from tests.supply.test_container_files import COMPOSE, SERVICES

MONITORING = ("prometheus", "grafana")
PROMETHEUS = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())


def mounted(name: str) -> dict[str, str]:
    """What a service sees of the project, by where it sees it."""
    found = (volume.split(":") for volume in SERVICES[name]["volumes"])
    return {target: source for source, target, *_ in found if source.startswith("./")}


def seen(name: str, path: str) -> Path:
    """The project's file that a service finds at a path."""
    for target, source in mounted(name).items():
        if path == target or path.startswith(f"{target}/"):
            return PROJECT / source / path[len(target) :].lstrip("/")
    raise AssertionError(f"{name} sees nothing of the project at {path}")


@pytest.mark.parametrize("name", MONITORING)
def test_what_is_mounted_exists(name: str) -> None:
    assert mounted(name)
    for source in mounted(name).values():
        assert (PROJECT / source).exists(), source


def test_they_start_with_their_profile_alone() -> None:
    started = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert started == {"gateway", "triton"}
    assert {tuple(SERVICES[name]["profiles"]) for name in MONITORING} == {("monitoring",)}
    # A variable that must be given would have to be given without the profile, too.
    for name in MONITORING:
        assert ":?" not in yaml.safe_dump(SERVICES[name])


def test_prometheus_asks_where_the_services_answer() -> None:
    bind = Settings.load({"METRICS_BIND": SERVICES["gateway"]["environment"]["METRICS_BIND"]})
    port = (bind.metrics_bind or "").rpartition(":")[2]
    targets = [
        target
        for job in PROMETHEUS["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    ]
    assert sorted(targets) == [f"gateway:{port}", "triton:8002"]
    for target in targets:
        name = target.split(":")[0]
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_prometheus_finds_its_rules() -> None:
    options = dict(word.split("=", 1) for word in SERVICES["prometheus"]["command"])
    file = seen("prometheus", options["--config.file"])
    assert file.is_file()
    for pattern in PROMETHEUS["rule_files"]:
        path = Path(options["--config.file"]).parent / pattern
        assert list(seen("prometheus", str(path.parent)).glob(path.name))


def test_prometheus_knows_its_options() -> None:
    done = subprocess.run(
        [program("prometheus", "prometheus"), "--help"],
        env=environment("prometheus"),
        capture_output=True,
        text=True,
    )
    printed = done.stdout + done.stderr
    for word in SERVICES["prometheus"]["command"]:
        assert f"{word.split('=')[0]}=" in printed, word


def test_what_is_kept_is_in_volumes_of_compose() -> None:
    options = dict(word.split("=", 1) for word in SERVICES["prometheus"]["command"])
    assert f"prometheus:{options['--storage.tsdb.path']}" in SERVICES["prometheus"]["volumes"]
    assert "grafana:/var/lib/grafana" in SERVICES["grafana"]["volumes"]
    assert set(COMPOSE["volumes"]) == set(MONITORING)


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    provisioning = seen("grafana", "/etc/grafana/provisioning")
    (sources,) = (
        yaml.safe_load(path.read_text())["datasources"]
        for path in provisioning.glob("datasources/*.y*ml")
    )
    (port,) = (each.rsplit(":", 1)[1] for each in SERVICES["prometheus"]["ports"])
    assert [each["url"] for each in sources] == [f"http://prometheus:{port}"]
    assert set(SERVICES["grafana"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    (providers,) = (
        yaml.safe_load(path.read_text())["providers"]
        for path in provisioning.glob("dashboards/*.y*ml")
    )
    for provider in providers:
        assert list(seen("grafana", provider["options"]["path"]).glob("*.json"))


def test_nobody_can_change_anything_in_grafana() -> None:
    given = SERVICES["grafana"]["environment"]
    assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert [name for name in given if "PASSWORD" in name] == []
