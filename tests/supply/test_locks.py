"""Every package that anything here installs is named by version and hash."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.supply.locks import DEVELOPMENT, LOCKS, PROJECT, SERVER, TRACING, locked, options, pins

# The lowest versions without the known faults of these libraries.
FLOORS = {
    "werkzeug": "3.1.9",
    "flask": "3.1.3",
    "jinja2": "3.1.6",
    "marshmallow": "4.1.2",
    "gunicorn": "26.1",
    "gevent": "24.10.1",
}
# Parts of OpenTelemetry that have no other versions; its stable ones need just these.
ALWAYS_BETA = {
    "opentelemetry-exporter-http-transport",
    "opentelemetry-exporter-otlp-common",
    "opentelemetry-semantic-conventions",
}
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
# What trained the demo's weights; nothing of the project installs it.
NOT_LOCKS = {PROJECT / "demo" / "train" / "requirements.txt"}
IN_FILES = [lock.with_suffix(".in") for lock in LOCKS if lock.with_suffix(".in").is_file()]


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def own_files(pattern: str) -> set[Path]:
    """Those of the project itself, without what is installed into it and what tools leave."""
    found: set[Path] = set()
    for folder, folders, names in os.walk(PROJECT):
        folders[:] = [name for name in folders if name[0] != "." and name != "node_modules"]
        found.update(Path(folder, name) for name in fnmatch.filter(names, pattern))
    return found


def wanted(path: Path) -> list[Requirement]:
    """The requirements of an .in file."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def test_every_file_of_requirements_is_a_lock() -> None:
    found = own_files("requirements*.txt") | {
        path for path in own_files("*.txt") if path.parent.name == "requirements"
    }
    assert found - NOT_LOCKS == set(LOCKS)


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_every_package_has_one_version_and_hashes(lock: Path) -> None:
    assert pins(lock)
    for pin in pins(lock):
        assert pin.requirement.url is None, pin.name
        is_allowed = pin.name in ALWAYS_BETA or not Version(pin.version).is_prerelease
        assert is_allowed, pin.name
        assert pin.hashes, pin.name
        assert [text for text in pin.hashes if not SHA256.fullmatch(text)] == [], pin.name


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_no_lock_says_where_packages_come_from(lock: Path) -> None:
    assert [line for line in options(lock) if line != "--only-binary :all:"] == []
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("path", IN_FILES, ids=name_of)
def test_every_lock_has_what_is_asked_for(path: Path) -> None:
    known = locked(path.with_suffix(".txt")) | locked(SERVER)
    for requirement in wanted(path):
        version = known[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), str(requirement)


def test_what_is_asked_for_is_not_older_than_the_known_faults() -> None:
    asked = {
        canonicalize_name(each.name): each.specifier for each in wanted(PROJECT / "requirements.in")
    }
    for name, floor in FLOORS.items():
        (lowest,) = (each for each in asked[name] if each.operator == ">=")
        assert Version(lowest.version) >= Version(floor), name


@pytest.mark.parametrize("other", [DEVELOPMENT, TRACING], ids=name_of)
def test_what_is_installed_with_the_server_has_its_versions(other: Path) -> None:
    server, beside = locked(SERVER), locked(other)
    shared = server.keys() & beside.keys()
    assert shared
    assert {name: beside[name] for name in shared} == {name: server[name] for name in shared}


def test_the_tests_trace_as_an_image_does() -> None:
    assert locked(TRACING).items() <= locked(DEVELOPMENT).items()


def test_the_extra_is_what_its_lock_has() -> None:
    config = ConfigParser()
    config.read(PROJECT / "setup.cfg")
    extra = config["options.extras_require"]["tracing"].split()
    assert extra == [str(each) for each in wanted(TRACING.with_suffix(".in"))]


def test_every_installation_asks_for_hashes() -> None:
    commands = [
        line
        for name in ("Makefile", "Dockerfile")
        for line in (PROJECT / name).read_text().replace("\\\n", " ").splitlines()
        if re.search(r"\bpip\b.*\binstall\b", line) and "-r " in line
    ]
    assert len(commands) > 3
    assert [line for line in commands if "--require-hashes" not in line] == []


def npm_packages() -> dict[str, Any]:
    (lock,) = own_files("package-lock.json")
    content = json.loads(lock.read_text())
    assert content["lockfileVersion"] == 3
    return {name: entry for name, entry in content["packages"].items() if name}


def test_npm_packages_have_their_sum() -> None:
    assert npm_packages()
    for name, entry in npm_packages().items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]), name
        assert "resolved" not in entry, f"{name}: the lock must not name a registry"
        assert not entry.get("hasInstallScript"), f"{name} runs a program when it is installed"
