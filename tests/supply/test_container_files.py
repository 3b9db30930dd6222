"""The Dockerfile and compose.yaml give no right that the server does not need."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import pairwise
from typing import Any

import pytest
import yaml

from app.settings import TABLE, Settings
from demo.environment import ensure_environment
from tests.docs.pages import code_spans, rows
from tests.supply import dockerfile
from tests.supply.locks import PROJECT

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PATHS = r"(?P<source>.+):(?P<target>/[^:]+):(?P<mode>[a-z]+)"


def test_every_stage_stands_on_the_image_that_can_be_pinned() -> None:
    stages = [value.split()[0] for word, value in dockerfile.INSTRUCTIONS if word == "FROM"]
    assert stages == ["${PYTHON_IMAGE}"] * 2
    assert dockerfile.INSTRUCTIONS[0][0] == "ARG"


def test_commands_are_no_shells() -> None:
    """So that a signal reaches the server, and no variable is read as code."""
    assert re.match(r'\["', dockerfile.values("CMD")[0])
    assert re.search(r' CMD \["', dockerfile.values("HEALTHCHECK")[0])
    assert dockerfile.values("ENTRYPOINT") == []


def test_it_runs_as_somebody_without_rights() -> None:
    assert [int(value) > 0 for value in dockerfile.values("USER")] == [True]


def test_nothing_is_added_from_elsewhere() -> None:
    assert "://" not in dockerfile.TEXT
    assert [word for word, _ in dockerfile.INSTRUCTIONS if word == "ADD"] == []
    assert [text for text in ("curl", "wget", "apt-get") if text in dockerfile.TEXT] == []


def test_installed_from_wheels_with_hashes() -> None:
    """So that no package runs code of its own while the image is built."""
    (install,) = (value for _, value in dockerfile.INSTRUCTIONS if "-r requirements.txt" in value)
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install


@pytest.mark.parametrize(
    ("tracing", "locks"),
    [("", ["requirements.txt"]), ("1", ["requirements.txt", "requirements-tracing.txt"])],
)
def test_what_tracing_needs_is_installed_if_it_is_asked_for(tracing: str, locks: list[str]) -> None:
    # An argument, whose value no layer keeps.
    assert ("ARG", "TRACING=") in dockerfile.INSTRUCTIONS
    (install,) = (value for _, value in dockerfile.INSTRUCTIONS if "-r requirements.txt" in value)
    printed = subprocess.run(
        ["sh", "-euc", install.replace("python3", "echo", 1)],
        env={"PATH": os.defpath, "TRACING": tracing},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert [name for option, name in pairwise(printed) if option == "-r"] == locks


def test_nobody_else_may_write_what_is_copied() -> None:
    assert any("chmod -R a+rX,go-w ." in value for _, value in dockerfile.INSTRUCTIONS)
    assert [value for value in dockerfile.values("COPY") if "--chown" in value] == []


def test_everything_that_is_written_goes_to_tmp() -> None:
    variables = dockerfile.environment()
    assert variables["HF_HOME"].startswith("/tmp/")
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert 0 < service["pids_limit"] < 32768
    assert [entry.split(":")[0] for entry in service["tmpfs"]] == ["/tmp"]
    for port in service.get("ports", ()):
        assert re.match(r"(\$\{LISTEN:-)?127\.0\.0\.1:", port)
    forbidden = {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "userns_mode"}
    assert forbidden & service.keys() == set()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_writes_to_nothing_of_the_host(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        if volume.split(":")[0] in COMPOSE["volumes"]:
            continue
        found = re.fullmatch(PATHS, volume)
        assert found is not None, volume
        assert found["mode"] == "ro"
        assert "docker.sock" not in volume


def test_the_gateway_runs_as_in_its_image() -> None:
    gateway = SERVICES["gateway"]
    assert gateway["user"].split(":")[0] == dockerfile.values("USER")[0]
    assert "command" not in gateway
    (tmp,) = gateway["tmpfs"]
    assert {"noexec", "nosuid", "nodev"} <= set(tmp.split(":")[1].split(","))
    found = Settings.load({})
    needed = found.drain_delay + found.graceful_timeout + 2
    assert int(gateway["stop_grace_period"].removesuffix("s")) >= needed


def test_both_say_whether_they_are_well() -> None:
    assert dockerfile.values("HEALTHCHECK")
    assert SERVICES["triton"]["healthcheck"]["test"][-1].endswith("/v2/health/ready")


def test_only_the_gateway_can_be_reached() -> None:
    gateway, triton = SERVICES["gateway"], SERVICES["triton"]
    assert all(
        re.fullmatch(r"\$\{LISTEN:-127\.0\.0\.1:5100}:5100", port) for port in gateway["ports"]
    )
    assert {"ports", "expose"} & triton.keys() == set()
    assert triton["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    # Prometheus reads Triton's metrics; it is not started unless asked for.
    reaching = {name for name, each in SERVICES.items() if "inside" in each["networks"]}
    assert reaching == {"gateway", "triton", "prometheus"}
    assert SERVICES["prometheus"]["profiles"]


def test_tritons_models_are_fixed_and_its_image_is_chosen() -> None:
    triton = SERVICES["triton"]
    assert triton["image"].startswith("${TRITON_IMAGE:?")
    assert "--model-control-mode=none" in triton["command"]
    closed = "model-repository,shared-memory,trace,logging:key=${TRITON_KEY"
    for option in ("--http-restricted-api", "--grpc-restricted-protocol"):
        assert any(each.startswith(f"{option}={closed}") for each in triton["command"])


def test_triton_knows_its_options() -> None:
    found = ensure_environment()
    done = subprocess.run(
        [found.program, "--help"],
        env=os.environ | found.variables(),
        capture_output=True,
        text=True,
    )
    program, *options = SERVICES["triton"]["command"]
    assert program == "tritonserver"
    for option in options:
        assert f"{option.split('=')[0]} <" in done.stdout + done.stderr, option


def test_every_variable_of_compose_is_on_the_page() -> None:
    """And its default there is the one that is used."""
    text = (PROJECT / "compose.yaml").read_text()
    used: dict[str, str | None] = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)}", text))
    used |= dict.fromkeys(re.findall(r"\$\{([A-Z_]+):\?", text), "required")
    environment = SERVICES["gateway"]["environment"]
    used |= {name: None for name, value in environment.items() if value is None}
    assert set(environment) <= {row.env for row in TABLE}
    shown: dict[str, str | None] = {}
    for row in rows(PROJECT / "docs" / "deployment.md", "Docker Compose", "variable"):
        names = code_spans(row["variable"])
        defaults = code_spans(row["default"]) or [row["default"] or None] * len(names)
        shown |= dict(zip(names, defaults, strict=True))
    assert shown == used


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("sbom", ["requirements.txt", "JSON"]),
        # Without it pip-audit is content with packages that it could not look up.
        ("audit", ["requirements.txt", "requirements-dev.txt", "--strict", "--require-hashes"]),
    ],
)
def test_what_looks_at_the_locks(target: str, words: list[str]) -> None:
    command = ["make", "--dry-run", "--no-print-directory", target]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [word for word in words if word not in done.stdout.splitlines()[-1]] == []
