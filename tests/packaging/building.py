"""A copy of the source folder, and what setuptools makes of it, without the network."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.docs.pages import PROJECT

# Not of the source: what make, Python and the tests leave in a checkout.
LEFT = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "build", "dist", "*.egg-info")
# Leftovers that no package may hold, put into every copy.
DECOYS = (
    "app/__pycache__/settings.cpython-311.pyc",
    "demo/.venv/lib/module.py",
    "demo/models/all-minilm-l6-v2/model.safetensors",
    "demo/.environment.lock",
    "notes.txt",
)
SDIST = "from setuptools import build_meta; print(build_meta.build_sdist('dist'))"


def copy_source(folder: Path) -> Path:
    """The source folder with decoys, as a fresh clone has it otherwise."""
    ignored = shutil.ignore_patterns("all-minilm-l6-v2")
    shutil.copytree(PROJECT, folder, ignore=LEFT, symlinks=True)
    shutil.rmtree(folder / "demo" / "models")
    shutil.copytree(PROJECT / "demo" / "models", folder / "demo" / "models", ignore=ignored)
    for name in DECOYS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a leftover")
    return folder


def build_sdist(source: Path) -> Path:
    """The archive of the sources."""
    done = subprocess.run(
        [sys.executable, "-c", SDIST], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return source / "dist" / done.stdout.splitlines()[-1]


def build_wheel(source: Path, target: Path) -> Path:
    """The wheel of a source folder or of an archive, in the folder `target`."""
    pip = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source)]
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = target.glob("*.whl")
    return wheel


def contents(wheel: Path) -> dict[str, int]:
    """The files of a wheel, each with the checksum of its content."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def tree(folder: Path, *patterns: str) -> set[str]:
    """The files below a folder that match, by their paths in it."""
    found = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}
