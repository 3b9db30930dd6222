"""The playground's modules that need no page, run by Node's own test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TESTS = Path("tests/browser/modules")
PAGE = Path("app/playground")
NAMES = sorted(path.name for path in (PROJECT / TESTS).glob("*.test.mjs"))


@pytest.mark.parametrize("name", NAMES)
def test_a_module(name: str, tmp_path: Path) -> None:
    """In a copy that says what browsers are told by the page: that the files are modules."""
    shutil.copytree(PROJECT / PAGE, tmp_path / PAGE)
    shutil.copytree(PROJECT / TESTS, tmp_path / TESTS)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    command = ["node", "--test", "--test-reporter=spec", str(tmp_path / TESTS / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 0\n" not in done.stdout
