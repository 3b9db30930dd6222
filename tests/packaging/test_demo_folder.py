"""Where an installed demo runs: a copy in the user's cache, which follows the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.commands.demo_folder import demo_folder
from app.settings import IS_INSTALLED, PROJECT_ROOT
from app.terminal.failures import CommandError


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What a wheel has of the demo, and what Python has compiled of it."""
    folder = tmp_path / "package"
    for name in ("model_config.json", "demo/__main__.py", "demo/models/chat/config.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "demo" / "__pycache__").mkdir()
    (folder / "demo" / "__pycache__" / "__main__.pyc").write_text("compiled")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def files(folder: Path) -> dict[str, str]:
    """The content of its files, but for the two that keep order."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.read_text()
        for name, path in found.items()
        if path.is_file() and not name.startswith(".")
    }


def test_a_checkout_is_used_as_it_is(cache: Path) -> None:
    assert not IS_INSTALLED
    assert demo_folder() == PROJECT_ROOT
    assert not cache.exists()


def test_an_installed_one_is_copied(package: Path, cache: Path) -> None:
    folder = demo_folder(package, is_installed=True)
    assert folder == cache / "openai_api" / f"demo-{sys.implementation.cache_tag}"
    names = ("model_config.json", "demo/__main__.py", "demo/models/chat/config.json")
    assert files(folder) == {name: name for name in names}


def test_what_has_changed_is_copied_again(package: Path) -> None:
    folder = demo_folder(package, is_installed=True)
    (package / "demo" / "__main__.py").write_text("newer")
    (package / "demo" / "models" / "chat" / "config.json").unlink()
    demo_folder(package, is_installed=True)
    assert files(folder) == {"model_config.json": "model_config.json", "demo/__main__.py": "newer"}


def test_what_the_demo_has_made_stays(package: Path) -> None:
    folder = demo_folder(package, is_installed=True)
    made = ("demo/.venv/lib/weights", "demo/.environment.lock", "demo/__pycache__/a.pyc")
    for name in made:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("made")
    (folder / "demo" / "models" / "minilm").symlink_to(folder / "demo" / ".venv" / "lib")
    (package / "demo" / "__main__.py").write_text("newer")
    demo_folder(package, is_installed=True)
    assert [(folder / name).read_text() for name in made] == ["made"] * 3
    assert (folder / "demo" / "models" / "minilm" / "weights").read_text() == "made"


def test_nothing_is_written_while_nothing_changes(package: Path) -> None:
    folder = demo_folder(package, is_installed=True)
    (folder / "model_config.json").write_text("edited")
    demo_folder(package, is_installed=True)
    assert (folder / "model_config.json").read_text() == "edited"


def test_a_write_protected_package_can_be_copied_twice(package: Path) -> None:
    for path in (package / "model_config.json", package / "demo" / "__main__.py"):
        path.chmod(0o444)
    folder = demo_folder(package, is_installed=True)
    assert os.stat(folder / "model_config.json").st_mode & 0o200


def test_a_cache_that_cannot_be_written_to_is_told(package: Path, cache: Path) -> None:
    cache.write_text("a file, where a folder is needed")
    with pytest.raises(CommandError, match="cannot be written") as caught:
        demo_folder(package, is_installed=True)
    assert "XDG_CACHE_HOME" in caught.value.advice


def test_a_relative_cache_does_not_count(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = demo_folder(package, is_installed=True)
    assert folder.is_relative_to(tmp_path / "home" / ".cache")
