"""What gunicorn's master loads before gevent patches: design 2."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "flask",
    "grpc",
    "tritonclient",
    "transformers",
    "prometheus_client",
    "ssl",
    "concurrent.futures",
    "gevent",
    "marshmallow",
    "numpy",
)


@pytest.mark.parametrize(
    "module", ["app", "app.settings", "app.cli", "app.observability.worker_files"]
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print([n for n in {HEAVY!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
