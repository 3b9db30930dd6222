"""The wheel, and an environment that has it, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.building import build_sdist, build_wheel, copy_source
from tests.packaging.installation import Installation, install


@pytest.fixture(scope="package")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source folder."""
    return copy_source(tmp_path_factory.mktemp("source") / "openai_api")


@pytest.fixture(scope="package")
def sdist(source: Path) -> Path:
    """The archive of the sources."""
    return build_sdist(source)


@pytest.fixture(scope="package")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the archive."""
    return build_wheel(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="package")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel in an environment of its own."""
    return install(wheel, tmp_path_factory.mktemp("installed"))
