"""The Dockerfile, as far as it can be checked without building it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import ENVIRONMENT
from tests.docs.pages import PROJECT
from tests.live.http import Server
from tests.supply.dockerfile import copied, image, values

HOME = "/opt/openai_api"


def test_what_is_copied_exists_and_is_sent() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert sorted(copied()) == sorted(line[1:] for line in ignored if line.startswith("!"))
    assert [name for name in copied() if not (PROJECT / name).exists()] == []


def test_what_the_installation_reads_is_copied() -> None:
    config = (PROJECT / "setup.cfg").read_text()
    assert set(re.findall(r"file: (\S+)", config)) <= set(copied())


def test_its_place_port_and_command() -> None:
    assert values("WORKDIR") == [HOME]
    assert values("EXPOSE") == ["5100"]
    assert json.loads(values("CMD")[0]) == [
        f"{HOME}/openai_api_cli.py", "--host", "0.0.0.0", "--port", "5100"
    ]  # fmt: skip
    environment = " ".join(values("ENV"))
    assert "HF_HUB_OFFLINE=1" in environment
    assert "PATH=/opt/venv/bin:$PATH" in environment


def test_the_readme_starts_it_as_it_starts_itself() -> None:
    readme = (PROJECT / "README.md").read_text().replace("\\\n", "")
    assert " ".join(json.loads(values("CMD")[0])) in re.sub(" +", " ", readme)


def test_the_script_finds_python_on_the_path(tmp_path: Path) -> None:
    script = image(tmp_path) / "openai_api_cli.py"
    assert os.access(PROJECT / "openai_api_cli.py", os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env python3\n")
    printed = run([str(script), "--help"], tmp_path)
    assert "--config-file" in printed.stdout


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    script = image(tmp_path) / "openai_api_cli.py"
    done = run([str(script), "--port", "5100"], tmp_path, CONFIG_FILE="/LocalRun/model_config.json")
    assert done.returncode == 2
    assert "/LocalRun/model_config.json" in done.stderr


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # Without the installed project's own folder, which the image does not have.
    environment = {**ENVIRONMENT, "PYTHONSAFEPATH": "", **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_the_health_check(gateway: Server, is_there: bool) -> None:
    (check,) = values("HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    port = str(gateway.port if is_there else 1)
    done = subprocess.run(
        [sys.executable, *command[1:]], env={"PORT": port}, capture_output=True, timeout=30
    )
    assert (done.returncode == 0) == is_there
