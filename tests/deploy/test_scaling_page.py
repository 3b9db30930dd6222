"""docs/scaling.md: its figures are those of the measurements and of the server's own balancing."""

from __future__ import annotations

import re

from app.lifecycle import open_files
from app.settings import Settings
from tests.deploy.balance import busiest
from tests.deploy.capacity import SCALING, written
from tests.deploy.manifests import GATEWAY, one, settings
from tests.proxies.programs import DEPLOY

TEXT = SCALING.read_text()


def test_its_tables_are_those_of_the_measurements() -> None:
    """To write them anew: python -m tests.deploy.capacity."""
    assert written(TEXT) == TEXT


def test_one_that_sees_everything_is_nearly_even() -> None:
    assert busiest(1, 128) < 1.05


def test_more_workers_balance_less_evenly() -> None:
    found = [busiest(workers, 32) for workers in (1, 4, 16)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_files_and_connections() -> None:
    connections = Settings.load({}).worker_connections
    needed = open_files.FILES_EACH * connections + open_files.RESERVE
    assert f"`WORKER_CONNECTIONS` ({connections:,})" in TEXT
    assert f"must be {needed:,} or more" in TEXT
    (nginx,) = re.findall(r"worker_rlimit_nofile (\d+);", (DEPLOY / "nginx.conf").read_text())
    assert f"`deploy/nginx.conf` is {int(nginx):,}" in TEXT


def test_the_autoscalers_targets() -> None:
    requests, cpu = one("HorizontalPodAutoscaler", GATEWAY)["spec"]["metrics"]
    target = int(requests["pods"]["target"]["averageValue"])
    workers = Settings.load(settings()).workers
    assert f"{target} for each pod of two workers" in TEXT
    assert workers == 2
    assert f"{target // workers} streams for each worker" in TEXT
    assert f"at {cpu['resource']['target']['averageUtilization']} % of two cores" in TEXT
