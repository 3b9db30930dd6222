"""The wheel, and an environment that has it, made once for all processes of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packages.made_once import made_once
from tests.packaging.building import build_sdist, build_wheel, copy_source
from tests.packaging.installation import Installation, install


def make_wheel(folder: Path) -> None:
    """A copy of the source folder, its archive, and the wheel that is made from the archive."""
    build_wheel(build_sdist(copy_source(folder / "openai_api")), folder / "wheel")


def make_installation(folder: Path) -> None:
    """The wheel in an environment of its own."""
    install(wheel_in(made_once("wheel", make_wheel)), folder)


def wheel_in(folder: Path) -> Path:
    """The only one there."""
    (wheel,) = folder.glob("wheel/*.whl")
    return wheel


@pytest.fixture(scope="package")
def source() -> Path:
    """A copy of the source folder."""
    return made_once("wheel", make_wheel) / "openai_api"


@pytest.fixture(scope="package")
def wheel() -> Path:
    """The wheel, made from the archive of the sources."""
    return wheel_in(made_once("wheel", make_wheel))


@pytest.fixture(scope="package")
def installation() -> Installation:
    """The wheel in an environment of its own."""
    return Installation.below(made_once("installation", make_installation))
