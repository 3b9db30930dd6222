"""docs/deployment.md: its commands that need no cluster, and what it says of the files."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import yaml

from app.settings import Settings
from tests.deploy import unit
from tests.deploy.manifests import (
    COMPONENTS,
    GATEWAY,
    TRITON,
    container,
    kustomized,
    needs_kubectl,
    pod,
    settings,
)
from tests.deploy.test_kubernetes_documents import VERSIONS
from tests.docs.pages import PROJECT, blocks, code_spans, rows
from tests.proxies.programs import DEPLOY
from tests.supply import dockerfile
from tests.supply.test_container_files import SERVICES

PAGE = PROJECT / "docs" / "deployment.md"
TEXT = PAGE.read_text()
LINES = [
    line
    for block in blocks(PAGE)
    for line in block.text.replace("\\\n", "").splitlines()
    if block.language == "sh"
]


def secrets() -> dict[str, list[str]]:
    """The commands of the page that make a Secret, by its name."""
    found = [shlex.split(line) for line in LINES if "create secret generic" in line]
    return {words[words.index("generic") + 1]: words for words in found}


def test_every_block_says_what_becomes_of_it() -> None:
    for block in blocks(PAGE):
        if block.language == "sh" and not block.text.startswith("curl "):
            assert block.not_run or block.run_by == "tests/deploy/test_deployment_page.py", block


def test_what_needs_a_cluster_is_not_said_to_be_run() -> None:
    run = [line for block in blocks(PAGE) if block.run_by for line in block.text.splitlines()]
    assert run
    without = ("kubectl kustomize ", "kubectl --namespace openai-api create secret generic ")
    assert [line for line in run if not line.startswith(without)] == []


def test_its_secrets_are_those_of_the_pods() -> None:
    (mounted,) = (each["secret"] for each in pod(GATEWAY)["volumes"] if "secret" in each)
    file = Settings.load(settings()).api_keys_file
    assert file is not None
    assert f"--from-file={file.name}" in secrets()[mounted["secretName"]]
    used = container(TRITON)["env"][-1]["valueFrom"]["secretKeyRef"]
    assert any(
        word.startswith(f"--from-literal={used['key']}=") for word in secrets()[used["name"]]
    )
    assert len(secrets()) == 2


def test_files_that_it_names_are_there() -> None:
    words = {word for line in LINES for word in shlex.split(line) if word.startswith("deploy/")}
    assert words
    assert [word for word in words if not (PROJECT / word).exists()] == []


def test_folders_of_its_table() -> None:
    named = {
        span for row in rows(PAGE, "Kubernetes", "folder") for span in code_spans(row["folder"])
    }
    found = {f"components/{path.name}/" for path in COMPONENTS}
    assert named == found | {"gateway/", "triton/", "example/", "prometheus-adapter.yaml"}


def test_times_and_numbers_of_its_text() -> None:
    found = Settings.load(settings())
    assert f"`DRAIN_DELAY` ({found.drain_delay:g} s)" in TEXT
    assert f"`GRACEFUL_TIMEOUT` ({found.graceful_timeout:g} s)" in TEXT
    assert f"needs Kubernetes {VERSIONS[0]} or newer" in TEXT
    (user,) = dockerfile.values("USER")
    assert f"runs as user\n{user}" in TEXT
    assert f"--stop-timeout={SERVICES['gateway']['stop_grace_period'].removesuffix('s')}" in TEXT


def test_docker_is_run_as_compose_runs_it() -> None:
    (command,) = (shlex.split(line) for line in LINES if line.startswith("docker run"))
    gateway = SERVICES["gateway"]
    assert "--read-only" in command
    assert "--cap-drop=" + gateway["cap_drop"][0] in command
    assert command[command.index("--tmpfs") + 1] == gateway["tmpfs"][0].split(",")[0]


def test_the_units_places_are_those_of_the_steps() -> None:
    steps = (PROJECT / "docs" / "how-to" / "run-under-systemd.md").read_text().splitlines()
    for path in (unit.service("EnvironmentFile"), unit.variables()["CONFIG_FILE"]):
        assert any(line.startswith("install ") and line.endswith(path) for line in steps), path
    program = unit.service("ExecStart").split()[0]
    assert any(line.endswith(f"venv {Path(program).parents[1]}") for line in steps)


def test_what_it_says_of_the_unit() -> None:
    keys = unit.sections()["Service"]
    for row in rows(PAGE, "systemd", "lines"):
        for span in code_spans(row["lines"]):
            name, is_given, value = span.partition("=")
            if name.endswith("..."):
                assert [key for key in keys if key.startswith(name.removesuffix("..."))]
            else:
                assert not is_given or keys[name] == [value], span
                assert name in keys
    assert f"`{unit.variables()['METRICS_BIND']}`" in TEXT


def test_nginx_has_the_lines_for_tls() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    found = re.search(r"# With TLS in its place:\n((?: +# .*\n)+)", text)
    assert found is not None
    assert len(found[1].splitlines()) == 5
    assert "the five lines below" in TEXT


@needs_kubectl
def test_the_example_can_be_looked_at() -> None:
    (command,) = (line for line in LINES if line.startswith("kubectl kustomize"))
    done = subprocess.run(
        shlex.split(command), cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert list(yaml.safe_load_all(done.stdout)) == kustomized(PROJECT / shlex.split(command)[-1])


@needs_kubectl
def test_the_secrets_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("sk-of-the-test name=test\n")
    for line in LINES:
        if "create secret generic" in line:
            done = subprocess.run(
                ["bash", "-euc", f"{line} --dry-run=client --output=yaml"],
                cwd=tmp_path,
                env={**os.environ, "KUBECONFIG": str(tmp_path / "none")},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            assert len(yaml.safe_load(done.stdout)["data"]) == 1
