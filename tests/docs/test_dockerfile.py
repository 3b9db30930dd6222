"""The Dockerfile, as far as it can be checked without building it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PROJECT
from tests.live.http import Server
from tests.supply.dockerfile import Image, copied, environment, image, values

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
    assert environment()["HF_HUB_OFFLINE"] == "1"
    assert "PATH=/opt/venv/bin:$PATH" in " ".join(values("ENV"))


def test_the_readme_starts_it_as_it_starts_itself() -> None:
    readme = (PROJECT / "README.md").read_text().replace("\\\n", "")
    assert " ".join(json.loads(values("CMD")[0])) in re.sub(" +", " ", readme)


@pytest.fixture(scope="module")
def built() -> Image:
    return image()


def test_the_environment_holds_the_package_and_no_pip(built: Image) -> None:
    (site,) = built.venv.glob("lib/python*/site-packages")
    names = {path.name.split("-")[0] for path in site.iterdir()} - {"libraries.pth"}
    assert names == {"app", "openai_api"}
    assert [path.name for path in (built.venv / "bin").glob("pip*")] == []
    assert [path.name for path in built.home.iterdir()] == ["openai_api_cli.py"]


def test_nobody_else_may_write_what_is_installed(built: Image) -> None:
    (package,) = built.venv.glob("lib/python*/site-packages/app")
    paths = [*package.rglob("*"), *built.home.rglob("*")]
    assert [path for path in paths if path.stat().st_mode & 0o022] == []


def test_the_script_finds_python_on_the_path(built: Image) -> None:
    script = built.home / "openai_api_cli.py"
    assert script.read_text().startswith("#!/usr/bin/env python3\n")
    printed = run(built, [str(script), "--help"])
    assert "--config-file" in printed.stdout
    assert run(built, ["openai-api", "--help"]).stdout == printed.stdout


def test_a_missing_configuration_is_told(built: Image) -> None:
    program, *arguments = json.loads(values("CMD")[0])
    done = run(built, [str(built.home / Path(program).name), *arguments], **environment())
    assert done.returncode == 2
    assert environment()["CONFIG_FILE"] in done.stderr


def run(built: Image, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(built.venv / "bin"), os.defpath])
    return subprocess.run(
        command,
        cwd=built.home,
        env={**variables, "PATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_the_health_check(gateway: Server, is_there: bool) -> None:
    (check,) = values("HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    port = str(gateway.port if is_there else 1)
    done = subprocess.run(
        [sys.executable, *command[1:]], env={"PORT": port}, capture_output=True, timeout=120
    )
    assert (done.returncode == 0) == is_there
