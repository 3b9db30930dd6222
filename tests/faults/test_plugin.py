"""`--whole`: what is long is left out without it, and nothing counts as skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def collected(*arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    folder = "tests/faults/test_triton_gone.py"
    return subprocess.run(
        [*command, folder], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout


def test_long_tests_are_deselected() -> None:
    found = collected()
    assert "::test_a3_quick" in found
    assert "::test_a3_120_seconds" not in found
    assert "deselected" in found
    assert "skipped" not in found


def test_whole_has_them() -> None:
    assert "::test_a3_120_seconds" in collected("--whole")
