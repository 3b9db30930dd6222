"""What is installed is what the locks say, and nothing else runs when Python starts."""

from __future__ import annotations

import base64
import hashlib
import shutil
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.supply.locks import (
    CLIENTS,
    DEMO,
    DEVELOPMENT,
    PROJECT,
    SERVER,
    installed,
    locked,
    site_packages,
)

# The environments of `make test`, and the locks of each.
ENVIRONMENTS = {
    ".venv": (SERVER, DEVELOPMENT),
    "demo/.venv": (DEMO,),
    **{f".venv/clients/{lock.stem}": (lock,) for lock in CLIENTS},
}
# What `python -m venv` brings, and this project.
NOT_IN_A_LOCK = {"pip", "setuptools", "openai-api"}
# Files whose lines Python runs at every start: that of setuptools, and links to this project.
START_FILES = ("distutils-precedence.pth", "__editable__.openai_api-*.pth", "openai-api-demo.pth")


@pytest.fixture(params=ENVIRONMENTS)
def name(request: pytest.FixtureRequest, demo_environment: None) -> str:
    return str(request.param)


def unknown_start_files(packages: Path) -> list[str]:
    """Whatever Python would run or follow when it starts, without being asked to."""
    found = [
        path
        for pattern in ("*.pth", "*.egg-link", "sitecustomize*", "usercustomize*")
        for path in packages.glob(pattern)
    ]
    return [path.name for path in found if not any(path.match(known) for known in START_FILES)]


def test_what_is_installed_is_what_is_locked(name: str) -> None:
    has, should = installed(PROJECT / name), locked(*ENVIRONMENTS[name])
    different = {
        package: {"installed": has.get(package), "locked": should.get(package)}
        for package in (has.keys() | should.keys()) - (NOT_IN_A_LOCK - should.keys())
        if has.get(package) != should.get(package)
    }
    assert different == {}, "renew it with: make clean test"


def test_nothing_unknown_runs_when_python_starts(name: str) -> None:
    assert unknown_start_files(site_packages(PROJECT / name)) == []


def test_what_runs_when_python_starts_is_as_it_was_installed(name: str) -> None:
    packages = site_packages(PROJECT / name)
    sums = recorded_sums(packages)
    for path in packages.glob("*.pth"):
        if path.name == "openai-api-demo.pth":
            assert path.read_text() == f"{PROJECT}\n"
        else:
            assert sha256(path) == sums[path.name], path.name


def recorded_sums(packages: Path) -> dict[str, str]:
    """The sums that pip noted of the .pth files that it installed, in base64 without padding."""
    return {
        file.name: file.hash.value
        for found in distributions(path=[str(packages)])
        for file in found.files or ()
        if file.suffix == ".pth" and file.hash
    }


def sha256(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")


@pytest.mark.parametrize("stranger", ["litellm_init.pth", "x.egg-link", "sitecustomize.py"])
def test_a_stranger_is_seen(tmp_path: Path, stranger: str) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    known = site_packages(PROJECT / ".venv") / "distutils-precedence.pth"
    shutil.copy(known, packages)
    (packages / stranger).touch()
    assert unknown_start_files(site_packages(tmp_path)) == [stranger]
