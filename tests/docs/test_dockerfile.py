"""The Dockerfile, as far as it can be checked without building it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import ENVIRONMENT
from tests.docs.pages import PROJECT
from tests.live.http import Server

TEXT = (PROJECT / "Dockerfile").read_text().replace("\\\n", "")
INSTRUCTIONS = [
    tuple(line.strip().split(maxsplit=1))
    for line in TEXT.splitlines()
    if line.strip() and not line.startswith("#")
]
LAST_STAGE = INSTRUCTIONS[max(i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
HOME = "/opt/openai_api"


def values(word: str) -> list[str]:
    """What the last stage says with an instruction."""
    return [value for name, value in LAST_STAGE if name == word]


def copied() -> list[str]:
    """What is copied out of the project."""
    copies = [value for name, value in INSTRUCTIONS if name == "COPY" and "--from" not in value]
    return [source for value in copies for source in value.split()[:-1]]


def image(folder: Path) -> Path:
    """The project as it lies in the image, without what is installed."""
    for name in copied():
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def test_what_is_copied_exists_and_is_sent() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert sorted(copied()) == sorted(line[1:] for line in ignored if line.startswith("!"))
    assert [name for name in copied() if not (PROJECT / name).exists()] == []


def test_what_the_installation_reads_is_copied() -> None:
    config = (PROJECT / "setup.cfg").read_text()
    assert set(re.findall(r"file: (\S+)", config)) <= set(copied())


def test_requirements_are_locked() -> None:
    (install,) = (value for name, value in INSTRUCTIONS if "-r requirements.txt" in value)
    assert "--require-hashes" in install
    lock = (PROJECT / "requirements.txt").read_text()
    assert lock.count("==") <= lock.count("--hash=sha256:")


def test_it_runs_as_somebody_without_rights() -> None:
    assert [int(value) > 0 for value in values("USER")] == [True]


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
